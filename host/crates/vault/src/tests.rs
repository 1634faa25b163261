use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    Place {
        _directory: directory,
        path,
    }
}

fn vault() -> Vault {
    Vault::open_or_create(&place().path, None).unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn text_of(error: &Error) -> String {
    error.to_string()
}

#[test]
fn the_first_start_makes_a_file_for_its_owner_and_the_next_reads_it() {
    let place = place();
    let first = Vault::open_or_create(&place.path, None).unwrap();
    let permissions = fs::metadata(&place.path).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o7777, 0o600);
    assert_eq!(first.key_id().len(), 16);

    let again = Vault::open_or_create(&place.path, Some(first.key_id())).unwrap();
    assert_eq!(again.key_id(), first.key_id());
    let sealed = first.seal("s3cret", Purpose::Configuration).unwrap();
    let opened = again.open(&sealed, Purpose::Configuration).unwrap();
    assert_eq!(opened.expose_secret(), "s3cret");
    let beside = fs::read_dir(place.path.parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 1, "a temporary file was left");
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let place = place();
    Vault::open_or_create(&place.path, None).unwrap();
    for loose in [0o640, 0o604, 0o660, 0o644, 0o610, 0o777] {
        mode(&place.path, loose);
        let error = Vault::open_or_create(&place.path, None).unwrap_err();
        assert!(matches!(error, Error::LooseMode { .. }), "{error}");
        assert!(text_of(&error).contains(&format!("mode {loose:04o}")));
        assert!(text_of(&error).contains("chmod 600"));
    }
    for tight in [0o600, 0o400] {
        mode(&place.path, tight);
        Vault::open_or_create(&place.path, None).unwrap();
    }
}

#[test]
fn a_link_or_a_directory_is_refused() {
    let place = place();
    Vault::open_or_create(&place.path, None).unwrap();
    let link = place.path.with_file_name("link");
    symlink(&place.path, &link).unwrap();
    let error = Vault::open_or_create(&link, None).unwrap_err();
    assert!(text_of(&error).contains("a symbolic link"), "{error}");

    let dangling = place.path.with_file_name("dangling");
    symlink(place.path.with_file_name("nowhere"), &dangling).unwrap();
    let error = Vault::open_or_create(&dangling, None).unwrap_err();
    assert!(text_of(&error).contains("a symbolic link"), "{error}");

    let error = Vault::open_or_create(place.path.parent().unwrap(), None).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error}");
}

#[test]
fn a_wrong_key_is_refused_with_both_ids() {
    let (one, other) = (place(), place());
    let remembered = Vault::open_or_create(&one.path, None).unwrap();
    let found = Vault::open_or_create(&other.path, None).unwrap();
    let error = Vault::open_or_create(&other.path, Some(remembered.key_id())).unwrap_err();
    assert!(matches!(error, Error::WrongKey { .. }));
    for part in [
        remembered.key_id(),
        found.key_id(),
        "put the file with key",
        "key",
    ] {
        assert!(text_of(&error).contains(part), "{error}");
    }
}

#[test]
fn no_new_key_is_made_beside_a_store_that_remembers_one() {
    let place = place();
    let error = Vault::open_or_create(&place.path, Some("0123456789abcdef")).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
    assert!(text_of(&error).contains("0123456789abcdef"));
    assert!(!place.path.exists());
}

#[test]
fn keys_before_a_rotation_open_and_the_first_seals() {
    let (old, new) = (place(), place());
    let before = Vault::open_or_create(&old.path, None).unwrap();
    let sealed = before.seal("from before", Purpose::Service).unwrap();
    Vault::open_or_create(&new.path, None).unwrap();
    let old_text = fs::read_to_string(&old.path).unwrap();
    let rotated = fs::read_to_string(&new.path).unwrap() + old_text.lines().last().unwrap();
    fs::write(&new.path, rotated).unwrap();

    let after = Vault::open_or_create(&new.path, Some(before.key_id())).unwrap();
    assert_ne!(after.key_id(), before.key_id());
    assert!(after.has_key(before.key_id()));
    let opened = after.open(&sealed, Purpose::Service).unwrap();
    assert_eq!(opened.expose_secret(), "from before");
    let resealed = after.seal("from before", Purpose::Service).unwrap();
    assert_eq!(key_id_of(&resealed), Some(after.key_id()));
    assert!(matches!(
        before.open(&resealed, Purpose::Service),
        Err(Error::UnknownKey { id }) if id == after.key_id()
    ));
}

#[test]
fn a_damaged_file_is_refused_by_line_and_never_overwritten() {
    let place = place();
    Vault::open_or_create(&place.path, None).unwrap();
    let good = fs::read_to_string(&place.path).unwrap();
    let key_line = good.lines().last().unwrap().to_owned();
    let (id, key) = key_line.split_once(' ').unwrap();
    let other_id = format!("{:016x}", !u64::from_str_radix(id, 16).unwrap());
    for (content, line, part) in [
        (String::new(), 1, "empty"),
        ("powerflow-key-file 2\n".to_owned(), 1, "must say"),
        ("powerflow-key-file 1\n".to_owned(), 1, "no key"),
        (
            format!("powerflow-key-file 1\n{id}\n"),
            2,
            "a key id and a key",
        ),
        (
            format!("powerflow-key-file 1\n\n{id} {}\n", &key[..20]),
            3,
            "32 bytes",
        ),
        (format!("powerflow-key-file 1\n{id} ***\n"), 2, "base64url"),
        (
            format!("powerflow-key-file 1\n{other_id} {key}\n"),
            2,
            "the key's id is",
        ),
    ] {
        fs::write(&place.path, &content).unwrap();
        let error = Vault::open_or_create(&place.path, None).unwrap_err();
        assert!(text_of(&error).contains(&format!("line {line}")), "{error}");
        assert!(text_of(&error).contains(part), "{error}");
        assert!(!text_of(&error).contains(key), "an error shows the key");
        assert_eq!(fs::read_to_string(&place.path).unwrap(), content);
    }
}

#[test]
fn processes_that_start_together_end_up_with_one_key() {
    let place = place();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| Vault::open_or_create(&place.path, None).unwrap()))
            .collect();
        starting
            .into_iter()
            .map(|vault| vault.join().unwrap().key_id().to_owned())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_ciphertext_is_of_its_purpose_only() {
    let vault = vault();
    let sealed = vault.seal("x", Purpose::Configuration).unwrap();
    let error = vault.open(&sealed, Purpose::Service).unwrap_err();
    assert!(matches!(error, Error::Tampered));
}

#[test]
fn two_ciphertexts_of_one_text_differ() {
    let vault = vault();
    let seal = || vault.seal("same", Purpose::Configuration).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn sub_keys_differ_by_purpose_and_stay_the_same() {
    let place = place();
    let vault = Vault::open_or_create(&place.path, None).unwrap();
    let again = Vault::open_or_create(&place.path, None).unwrap();
    assert_eq!(vault.derive("artefact-mac"), again.derive("artefact-mac"));
    assert_ne!(
        vault.derive("artefact-mac"),
        vault.derive("credential-cache")
    );
    assert_ne!(*vault.derive(""), *vault.current.bytes());
    assert_ne!(*vault.derive(""), *vault.current.sealing());
}

#[test]
fn what_we_did_not_make_is_not_ours() {
    let payload = "A".repeat(56);
    for text in [
        "",
        "pfenc:1:",
        "plain text",
        "gAAAAABh-foreign-fernet-token",
        &format!("pfenc:2:0123456789abcdef:{payload}"),
        &format!("pfenc:1:0123456789ABCDEF:{payload}"),
        &format!("pfenc:1:0123:{payload}"),
        &format!("pfenc:1:0123456789abcdef:{}", "A".repeat(50)),
        &format!("pfenc:1:0123456789abcdef:{payload}="),
        &format!(" pfenc:1:0123456789abcdef:{payload}"),
    ] {
        assert!(!is_ours(text), "{text}");
        let opened = vault().open(text, Purpose::Configuration);
        assert!(matches!(opened, Err(Error::NotOurs)), "{text}");
    }
    let foreign = format!("pfenc:1:0123456789abcdef:{payload}");
    assert_eq!(key_id_of(&foreign), Some("0123456789abcdef"));
}

#[test]
fn nothing_shows_a_key() {
    let vault = vault();
    let key = URL_SAFE_NO_PAD.encode(vault.current.bytes());
    let shown = format!("{vault:?}");
    assert!(
        shown.contains(vault.key_id()) && !shown.contains(&key),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn what_was_sealed_opens(text in any::<String>()) {
        let vault = vault();
        let sealed = vault.seal(&text, Purpose::Configuration).unwrap();
        prop_assert!(is_ours(&sealed));
        prop_assert_eq!(key_id_of(&sealed), Some(vault.key_id()));
        let opened = vault.open(&sealed, Purpose::Configuration).unwrap();
        prop_assert_eq!(opened.expose_secret(), &text);
    }

    /// Any one character replaced, removed or added anywhere: never another plaintext.
    #[test]
    fn what_was_changed_does_not_open(
        text in ".{0,40}",
        place in any::<prop::sample::Index>(),
        act in 0..3_u8,
        with in prop::sample::select(&b"ABCZabcz0189-_:=. "[..]),
    ) {
        let vault = vault();
        let sealed = vault.seal(&text, Purpose::Configuration).unwrap();
        let mut bytes = sealed.clone().into_bytes();
        let place = place.index(bytes.len());
        match act {
            0 => bytes[place] = with,
            1 => { bytes.remove(place); }
            _ => bytes.insert(place, with),
        }
        let changed = String::from_utf8(bytes).unwrap();
        prop_assume!(changed != sealed);
        prop_assert!(vault.open(&changed, Purpose::Configuration).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), tail in "[A-Za-z0-9_-]{0,80}") {
        let vault = vault();
        let _ = vault.open(&text, Purpose::Configuration);
        let crafted = format!("pfenc:1:{}:{tail}", vault.key_id());
        prop_assert!(vault.open(&crafted, Purpose::Configuration).is_err());
    }
}
