//! Why a command did not do what it was asked, and the exit codes.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What the process ends with. `pfctl --help` lists these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; for a run: it ended well or with a warning.
    Success = 0,
    /// The run that was waited for failed or was cancelled.
    RunFailed = 1,
    /// The command line is wrong. Clap ends with this number by itself.
    Usage = 2,
    /// There is nothing of that name.
    NotFound = 3,
    /// Refused: invalid, in conflict, or a local file cannot be used.
    Refused = 4,
    /// The service does not answer, is busy, or has a defect.
    Unreachable = 5,
    /// Name, password or role do not do.
    Authentication = 6,
    /// The run that was waited for had not ended in time.
    TimedOut = 7,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The stable code, of the service or of ours.
    pub(crate) code: String,
    /// What is wrong.
    pub(crate) message: String,
    /// Every single thing, where there are several.
    pub(crate) details: Vec<String>,
    /// The command to try next.
    pub(crate) next: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            next: None,
        }
    }

    /// Something on this machine cannot be used: a file, a value.
    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "PF-3001", message)
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "PF-3002", message)
    }

    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next.get_or_insert(command.into());
        self
    }

    /// The refusal in a problem document, or whatever else a server said.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let exit = match status {
            // Nothing is at the address whatever the name: this is no service that we know.
            404 if problem["code"] == "PF-0406" => Exit::Unreachable,
            401 | 403 => Exit::Authentication,
            404 => Exit::NotFound,
            429 | 500.. => Exit::Unreachable,
            _ => Exit::Refused,
        };
        let Some(problem) = problem
            .as_object()
            .filter(|one| one.get("code").is_some_and(Value::is_string))
        else {
            let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
            let message =
                format!("the server answered with status {status} and no problem document: {text}");
            // Who does not speak as the service does cannot know what is there.
            let exit = if status == 404 {
                Exit::Unreachable
            } else {
                exit
            };
            return Self::new(exit, "PF-3003", message)
                .next("check that --url (PFCTL_URL) names a PowerFlow service");
        };
        let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut failure = Self::new(exit, text("code"), text("detail"));
        for fault in problem
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let part = |key: &str| fault[key].as_str().unwrap_or_default();
            let (code, at, message) = (part("code"), part("at"), part("message"));
            // What the headline says already is not said again.
            let said = !message.is_empty() && failure.message.ends_with(message);
            let place = [code, at].join(" ");
            let place = place.trim();
            if !said {
                failure.details.push(format!("{place}: {message}"));
            } else if place != failure.code && !failure.message.starts_with(&format!("`{at}`: ")) {
                failure.details.push(place.to_owned());
            }
        }
        let next = match text("code") {
            "PF-0401" => "set PFCTL_USER and PFCTL_PASSWORD (or PFCTL_PASSWORD_FILE) and try again",
            "PF-0406" => {
                "check that --url (PFCTL_URL) is the service's own address, without a path"
            }
            "PF-0429" | "PF-0430" | "PF-0503" | "PF-0504" | "PF-0505" => {
                "try again in a few seconds"
            }
            "PF-0500" => "look into the service's log under the request's id",
            _ => "",
        };
        if status == 500 {
            failure
                .details
                .push(format!("request id: {}", text("request_id")));
        }
        if next.is_empty() {
            failure
        } else {
            failure.next(next)
        }
    }

    /// As people read it.
    fn text(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.message);
        for detail in &self.details {
            let _ = write!(text, "\n  {detail}");
        }
        if let Some(next) = &self.next {
            let _ = write!(text, "\n  next: {next}");
        }
        text
    }

    /// Says it on stderr.
    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            let value = json!({
                "error": {"code": self.code, "message": self.message, "details": self.details,
                    "next": self.next, "exit": self.exit as u8},
            });
            eprintln!("{value}");
        } else {
            eprintln!("{}", self.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_becomes_code_cause_and_next_command() {
        let body = br#"{"code":"PF-1001","detail":"two faults","errors":[{"code":"PF-A005","at":"/steps/0","message":"unknown"}]}"#;
        let failure = Failure::of_answer(422, body).next("pfctl step list");
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.text(),
            "error[PF-1001]: two faults\n  PF-A005 /steps/0: unknown\n  next: pfctl step list"
        );
    }

    #[test]
    fn a_fault_that_is_the_whole_refusal_is_told_once() {
        let body = br#"{"code":"PF-2001","detail":"no SyncPack: too short","errors":[{"code":"PF-SYNCPACK-NOT-WASM","at":"","message":"too short"}]}"#;
        assert_eq!(
            Failure::of_answer(422, body).text(),
            "error[PF-2001]: no SyncPack: too short\n  PF-SYNCPACK-NOT-WASM"
        );
    }

    #[test]
    fn a_headline_is_not_repeated() {
        let of = |detail: &str, at: &str| {
            let body = json!({"code": "PF-0400", "detail": detail,
                "errors": [{"code": "PF-0400", "at": at, "message": "too long"}]});
            Failure::of_answer(400, body.to_string().as_bytes()).text()
        };
        assert_eq!(
            of("`wait`: too long", "wait"),
            "error[PF-0400]: `wait`: too long"
        );
        assert_eq!(of("too long", ""), "error[PF-0400]: too long");
        assert_eq!(
            of("one fault: too long", "/wait"),
            "error[PF-0400]: one fault: too long\n  PF-0400 /wait"
        );
    }

    #[test]
    fn an_address_that_no_service_has_is_not_a_missing_name() {
        let of = |code: &str| {
            let body = format!("{{\"code\":\"{code}\"}}");
            Failure::of_answer(404, body.as_bytes()).exit
        };
        assert_eq!(of("PF-0406"), Exit::Unreachable);
        assert_eq!(of("PF-0404"), Exit::NotFound);
    }

    #[test]
    fn statuses_lead_to_exit_codes() {
        for (status, exit) in [
            (400, Exit::Refused),
            (401, Exit::Authentication),
            (403, Exit::Authentication),
            (404, Exit::Unreachable),
            (409, Exit::Refused),
            (422, Exit::Refused),
            (429, Exit::Unreachable),
            (500, Exit::Unreachable),
            (503, Exit::Unreachable),
        ] {
            let foreign = Failure::of_answer(status, b"{}");
            assert_eq!((foreign.exit, &*foreign.code), (exit, "PF-3003"));
            assert_eq!(Failure::of_answer(status, b"<html>").exit, exit);
        }
    }
}
