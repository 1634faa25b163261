//! Revisions of applications and configuration objects: list, compare, restore.

use clap::Args;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    client::{Client, Reply},
    document::{Collection, said},
    failure::{Exit, Failure},
    output::{self, items, table, text, time},
    session::Session,
};

/// Whose revisions.
#[derive(Debug, Args)]
pub(crate) struct Revisions {
    /// Its name
    name: String,
    /// Print this revision as it was saved, instead of the list
    #[arg(long, value_name = "NUMBER")]
    show: Option<u64>,
    /// How many of the newest
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Which revisions to compare.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Its name
    name: String,
    /// The number of the old revision; the one before the other where it is left out
    from: Option<u64>,
    /// The number of the new one; the newest where it is left out
    to: Option<u64>,
}

/// Which revision to restore.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Its name
    name: String,
    /// The revision's number
    revision: u64,
    /// Only if this revision is still the newest
    #[arg(long, value_name = "NUMBER")]
    if_current: Option<u64>,
}

impl Collection {
    pub(crate) async fn revisions(
        self,
        session: &Session,
        asked: &Revisions,
    ) -> Result<Exit, Failure> {
        let client = session.client()?;
        if let Some(number) = asked.show {
            let number = number.to_string();
            let parts = [self.path, &asked.name, "revisions", &number];
            let reply = self
                .named(&client, &asked.name, client.get(&parts).await)
                .await?;
            output::exact(&reply.body);
            if !reply.body.ends_with(b"\n") {
                output::line("");
            }
            return Ok(Exit::Success);
        }
        let parts = [self.path, &asked.name, "revisions"];
        let found = client.list(&parts, &[], asked.limit).await;
        let all = match found {
            Ok(all) => all,
            Err(failure) => return Err(client.suggest(failure, self.path, &asked.name).await),
        };
        session.output.result(&json!({"items": all}), |_| {
            let rows: Vec<_> = all
                .iter()
                .map(|one| {
                    let current = if one["current"] == true { "*" } else { "" };
                    let by = match text(&one["origin"]) {
                        none if none.is_empty() => text(&one["edited_by"]),
                        origin => origin,
                    };
                    vec![
                        format!("{}{current}", text(&one["revision"])),
                        time(&one["edited_at"]),
                        by,
                        text(&one["note"]),
                    ]
                })
                .collect();
            table(&["revision", "saved", "by", "what it changed"], &rows)
        });
        Ok(Exit::Success)
    }

    pub(crate) async fn diff(self, session: &Session, asked: &Diff) -> Result<Exit, Failure> {
        let client = session.client()?;
        let to = if let Some(to) = asked.to {
            to
        } else {
            let query = [("meta", "true".to_owned())];
            let reply = client.get_with(&[self.path, &asked.name], &query).await;
            let newest = self.named(&client, &asked.name, reply).await?.json()?;
            newest["revision"].as_u64().unwrap_or_default()
        };
        let from = asked.from.unwrap_or_else(|| to.saturating_sub(1));
        if from == 0 {
            return Err(Failure::usage(format!(
                "`{}` has only one revision: there is nothing to compare it with",
                asked.name
            )));
        }
        let (from, to) = (from.to_string(), to.to_string());
        let parts = [self.path, &asked.name, "revisions", &from, "diff", &to];
        let reply = self
            .named(&client, &asked.name, client.get(&parts).await)
            .await?;
        session.output.result(&reply.json()?, shown);
        Ok(Exit::Success)
    }

    pub(crate) async fn restore(self, session: &Session, asked: &Restore) -> Result<Exit, Failure> {
        let client = session.client()?;
        let number = asked.revision.to_string();
        let parts = [self.path, &asked.name, "revisions", &number, "restore"];
        let mut request = client.request(Method::POST, &parts);
        if let Some(current) = asked.if_current {
            request = request.header(header::IF_MATCH, format!("\"{current}\""));
        }
        let reply = self
            .named(&client, &asked.name, client.send(request).await)
            .await?;
        session.output.result(&reply.json()?, said);
        Ok(Exit::Success)
    }

    async fn named(
        self,
        client: &Client,
        name: &str,
        reply: Result<Reply, Failure>,
    ) -> Result<Reply, Failure> {
        match reply {
            Ok(reply) => Ok(reply),
            Err(failure) => Err(client.suggest(failure, self.path, name).await),
        }
    }
}

/// A difference, a line for each thing that differs.
fn shown(found: &Value) -> String {
    let mut lines = Vec::new();
    for (what, entries) in [("step", &found["steps"]), ("variable", &found["variables"])] {
        for (sign, list) in [("+", &entries["added"]), ("-", &entries["removed"])] {
            for name in items(list) {
                lines.push(format!("{sign} {what} {}", text(name)));
            }
        }
        for one in items(&entries["changed"]) {
            lines.push(format!("~ {what} {}", text(&one["name"])));
            for change in items(&one["changes"]) {
                lines.push(format!("    {}", changed(change)));
            }
        }
        if entries["reordered"] == true {
            lines.push(format!("~ the order of {what}s"));
        }
    }
    for (sign, list) in [
        ("+", &found["edges"]["added"]),
        ("-", &found["edges"]["removed"]),
    ] {
        for edge in items(list) {
            let when = match edge["kind"].as_str() {
                Some("branch") => format!(" when {}", text(&edge["branch"])),
                Some("failure") => " on failure".to_owned(),
                _ => String::new(),
            };
            let (from, to) = (text(&edge["from"]), text(&edge["to"]));
            lines.push(format!("{sign} edge {from} → {to}{when}"));
        }
    }
    for change in items(&found["metadata"]) {
        lines.push(format!("~ {}", changed(change)));
    }
    if lines.is_empty() {
        return "no difference".to_owned();
    }
    lines
        .iter()
        .map(|line| output::harmless(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn changed(change: &Value) -> String {
    let value = |key: &str| {
        let there = change.get(key);
        there.map_or_else(|| "nothing".to_owned(), ToString::to_string)
    };
    format!(
        "{}: {} → {}",
        text(&change["at"]),
        value("old"),
        value("new")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_line_by_line() {
        let found = json!({
            "steps": {"added": ["b"], "removed": [], "reordered": true, "changed": [
                {"name": "a", "changes": [{"at": "/url", "old": "x", "new": null}, {"at": "/n", "new": 1}]}]},
            "variables": {"added": [], "removed": ["v"], "changed": [], "reordered": false},
            "edges": {"added": [{"from": "a", "to": "b", "kind": "branch", "branch": "yes"}],
                "removed": [{"from": "b", "to": "a", "kind": "failure", "branch": null}]},
            "metadata": [{"at": "/version", "old": "1"}]});
        assert_eq!(
            shown(&found),
            "+ step b\n~ step a\n    /url: \"x\" → null\n    /n: nothing → 1\n~ the order of steps\n\
             - variable v\n+ edge a → b when yes\n- edge b → a on failure\n~ /version: \"1\" → nothing"
        );
        assert_eq!(shown(&json!({})), "no difference");
    }
}
