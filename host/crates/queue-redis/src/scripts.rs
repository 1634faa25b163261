//! The server-side steps that must happen together, each in its file with what it takes
//! and answers. All keys of one prefix are in one slot, so a cluster runs them too.

use std::sync::LazyLock;

/// A script and the name under which the server keeps it.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    pub(crate) digest: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub(crate) static $name: Script = Script {
            text: include_str!(concat!("scripts/", $file, ".lua")),
            digest: LazyLock::new(|| {
                fred::util::sha1_hash(include_str!(concat!("scripts/", $file, ".lua")))
            }),
        };)*
    };
}

scripts! {
    OPEN = "open",
    ADD = "add",
    ADD_OTHER = "add_other",
    HUSH = "hush",
    STANDING = "standing",
    TAKE = "take",
    RELEASE = "release",
    BURY = "bury",
    REVIVE = "revive",
    PLACES = "places",
    PENDING = "pending",
    SWEEP = "sweep",
}
