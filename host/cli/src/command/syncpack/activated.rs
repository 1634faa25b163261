//! What is said of an activation.

use serde_json::{Value, json};

use super::grants::{self, Asked, flags};
use crate::{
    output::{items, text},
    session::Session,
    shell,
};

/// Says what came of an activation, and what is other than before it.
pub(super) fn tell(session: &Session, name: &str, activated: &Value) {
    let version = text(&activated["version"]);
    session.output.say(&format!("activated {name} {version}"));
    let before = text(&activated["previous_version"]);
    if !before.is_empty() && before != version {
        session
            .output
            .remark(&format!("before, {before} was active"));
    }
    for kept in items(&activated["kept"]) {
        session
            .output
            .remark(&format!("kept {}: a person had changed it", text(kept)));
    }
    given(session, activated);
    taken(session, activated);
    denied(session, name, &version, activated);
}

/// What it has, and has anew.
fn given(session: &Session, activated: &Value) {
    let new = items(&activated["newly_granted"]);
    if !new.is_empty() {
        session
            .output
            .remark(&format!("granted: {}; new to it", names(activated, new)));
    }
    for grant in items(&activated["grants"]) {
        if grant.get("configurations").is_some() {
            session.output.remark(&format!(
                "{}: given for {}",
                text(&grant["id"]),
                grants::held(grant)
            ));
        }
    }
}

/// What it had and has no more.
fn taken(session: &Session, activated: &Value) {
    let taken = items(&activated["taken_away"]);
    if taken.is_empty() {
        return;
    }
    let still = |id: &Value| {
        let mut given = items(&activated["grants"]).iter();
        given.any(|one| one["id"] == *id)
    };
    let name = |id: &Value| {
        if still(id) {
            format!("{} for private addresses", text(id))
        } else {
            text(id)
        }
    };
    session.output.remark(&format!(
        "taken away: {}; it had that before, and steps that need it will be refused",
        taken.iter().map(name).collect::<Vec<_>>().join(", ")
    ));
}

/// What it asks for and has not, and how to give it.
fn denied(session: &Session, name: &str, version: &str, activated: &Value) {
    let denied = items(&activated["not_granted"]);
    if denied.is_empty() {
        return;
    }
    session.output.remark(&format!(
        "not granted: {}; steps that need it will be refused",
        names(activated, denied)
    ));
    let asked = json!({"grants": denied.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
    session.output.remark(&format!(
        "next: pfctl syncpack activate {} --version {} --add{}",
        shell::word(name),
        shell::word(version),
        flags(&Asked::all(&asked, &Value::Null))
    ));
    session
        .output
        .remark("write --private instead of --grant where the host is on a private address");
}

/// Grants by their ids, with a word about those that lead to private addresses.
fn names(activated: &Value, ids: &[Value]) -> String {
    let private = |id: &Value| {
        let mut given = items(&activated["grants"]).iter();
        given.any(|one| one["id"] == *id && one["private_network"] == true)
    };
    let name = |id: &Value| {
        if private(id) {
            format!("{} (private addresses too)", text(id))
        } else {
            text(id)
        }
    };
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}
