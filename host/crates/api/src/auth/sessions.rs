//! Logins with a browser: a cookie with a token that only the browser has, and a second token that
//! goes with each change, so that no other site can make one with this cookie.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::Caller;
use model::{clock::Timestamp, id::TenantId};
use parking_lot::RwLock;
use store::accounts::{Account, Accounts, Session};

use super::credentials::Identity;
use crate::{permission::Permission, state::AuthSettings};

/// The cookie.
const COOKIE: &str = "powerflow_session";
/// The header that carries the second token.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-powerflow-csrf");
/// The header by which our own pages say that they ask.
pub(crate) const ASKED_BY: HeaderName = HeaderName::from_static("x-requested-with");
/// What our own pages say in it.
const OWN_PAGES: &[u8] = b"powerflow-ui";
/// A use is written at most so often.
const NOTED: Duration = Duration::from_mins(5);
/// More remembered sessions than this are forgotten, and read again when they are used.
const MAX: usize = 10_000;

/// The token of a session as the browser has it.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// One that nobody can foresee; `None` where the operating system gives no randomness.
    fn new() -> Option<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok().map(|()| Self(bytes))
    }

    /// The one in the request's cookie.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE)
            .find_map(|(_, value)| {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
                Some(Self(bytes.try_into().ok()?))
            })
    }

    fn digest(&self) -> [u8; 32] {
        blake3::derive_key("powerflow 2026-11-24 session digest", &self.0)
    }

    /// What goes with each change. It follows from the token and does not tell it.
    pub(crate) fn csrf(&self) -> String {
        let bytes = blake3::derive_key("powerflow 2026-11-24 session csrf", &self.0);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The `Set-Cookie` that gives it to the browser; `secure` where the browser came over https.
    pub(crate) fn cookie(&self, secure: bool) -> HeaderValue {
        let secure = if secure { "; Secure" } else { "" };
        let value = BASE64_URL_SAFE_NO_PAD.encode(self.0);
        HeaderValue::from_str(&format!(
            "{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
        ))
        // Base64 is always a header's value.
        .unwrap_or(FORGET)
    }
}

/// The `Set-Cookie` that takes it away.
pub(crate) const FORGET: HeaderValue =
    HeaderValue::from_static("powerflow_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");

/// Whether the browser came over https, as far as a proxy in front says. Who says so falsely
/// gets a cookie that their own browser does not send.
pub(crate) fn came_over_https(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Whether one of our own pages asks. A stream of events cannot say so, and only pages read one.
pub(crate) fn own_page(headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, what: &[u8]| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes() == what)
    };
    is(ASKED_BY, OWN_PAGES) || is(header::ACCEPT, b"text/event-stream")
}

/// Whether a page of another site asks, as far as the browser says.
pub(crate) fn from_elsewhere(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let from = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok())
        .and_then(|uri| uri.authority().map(ToString::to_string));
    let named = |name: &str| headers.get(name).and_then(|host| host.to_str().ok());
    let hosts = [named("host"), named("x-forwarded-host")];
    !from.is_some_and(|from| hosts.contains(&Some(&*from)))
}

/// Why a change that comes with the cookie is refused; `None` where it is not.
pub(crate) fn forged(token: &Token, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let given = headers.get(CSRF).map_or(&b""[..], HeaderValue::as_bytes);
    // Equal digests, so that the time that the comparison takes tells nothing.
    if blake3::hash(given) != blake3::hash(token.csrf().as_bytes()) {
        return Some(
            "a change that comes with a session's cookie needs the header X-PowerFlow-CSRF with the token that GET /api/v1/session tells",
        );
    }
    from_elsewhere(headers)
        .then_some("the request comes from a page of another site (its Origin is not this host)")
}

#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    session: Session,
    checked: Instant,
}

/// Begins, recognises and ends sessions.
pub(crate) struct Sessions {
    accounts: Arc<dyn Accounts>,
    settings: AuthSettings,
    known: RwLock<HashMap<[u8; 32], Known>>,
}

impl Sessions {
    pub(crate) fn new(accounts: Arc<dyn Accounts>, settings: AuthSettings) -> Self {
        Self {
            accounts,
            settings,
            known: RwLock::default(),
        }
    }

    /// Begins one for whoever has just proved who they are; `None` where there is no randomness. It is
    /// of the password that was proved: one that was changed in the meantime has ended it already.
    pub(crate) async fn begin(
        &self,
        who: &Identity,
        now: Timestamp,
    ) -> store::Result<Option<(Token, Timestamp)>> {
        let Some(token) = Token::new() else {
            tracing::error!("the operating system gives no randomness: nobody can log in");
            return Ok(None);
        };
        let session = Session {
            digest: token.digest(),
            account: who.caller.name.clone(),
            account_changed_at: who.password_of,
            created_at: now,
            used_at: now,
        };
        let oldest = before(now, self.settings.session_lifetime);
        let unused = before(now, self.settings.session_idle);
        let until = self.until(&session);
        self.accounts.begin_session(session, oldest, unused).await?;
        Ok(Some((token, until)))
    }

    /// When it ends if it is not used any more.
    fn until(&self, session: &Session) -> Timestamp {
        let idle = after(session.used_at, self.settings.session_idle);
        idle.min(after(session.created_at, self.settings.session_lifetime))
    }

    /// Whose it is and until when; `None` where it has ended.
    pub(crate) async fn recognise(
        &self,
        token: &Token,
        now: Timestamp,
    ) -> store::Result<Option<(Arc<Identity>, Timestamp)>> {
        let digest = token.digest();
        let known = self.known.read().get(&digest).cloned();
        let old = known.clone();
        let recent = known.filter(|known| known.checked.elapsed() < self.settings.recheck);
        let known = match recent {
            Some(known) => known,
            None => match self.read(&digest).await {
                Ok(Some(known)) => known,
                // As for passwords: what is remembered holds while the store is away.
                Err(error) => old.ok_or(error)?,
                Ok(None) => {
                    self.known.write().remove(&digest);
                    return Ok(None);
                }
            },
        };
        if now >= self.until(&known.session) {
            self.known.write().remove(&digest);
            self.accounts.end_session(&digest).await?;
            return Ok(None);
        }
        let mut session = known.session;
        if now >= after(session.used_at, NOTED.min(self.settings.session_idle / 4)) {
            session.used_at = now;
            if let Some(known) = self.known.write().get_mut(&digest) {
                known.session.used_at = now;
            }
            // Nobody waits for it, and a store that is away for a moment logs nobody out.
            let accounts = Arc::clone(&self.accounts);
            tokio::spawn(async move {
                if let Err(error) = accounts.use_session(&digest, now).await {
                    tracing::debug!(%error, "the use of a session was not noted");
                }
            });
        }
        Ok(Some((known.identity, self.until(&session))))
    }

    /// The session with its account as the store has them.
    async fn read(&self, digest: &[u8; 32]) -> store::Result<Option<Known>> {
        let Some(session) = self.accounts.session(digest).await? else {
            return Ok(None);
        };
        let Some(account) = self.accounts.account(&session.account).await? else {
            return Ok(None);
        };
        if !account.enabled || account.changed_at != session.account_changed_at {
            return Ok(None);
        }
        let known = Known {
            identity: Arc::new(identity(&account)),
            session,
            checked: Instant::now(),
        };
        let mut all = self.known.write();
        if all.len() >= MAX {
            all.clear();
        }
        all.insert(*digest, known.clone());
        Ok(Some(known))
    }

    /// Ends one.
    pub(crate) async fn end(&self, token: &Token) -> store::Result<()> {
        let digest = token.digest();
        self.known.write().remove(&digest);
        self.accounts.end_session(&digest).await
    }
}

fn identity(account: &Account) -> Identity {
    Identity {
        caller: Caller {
            name: account.name.clone(),
            tenant: TenantId::DEFAULT,
            trace: None,
        },
        password_of: account.changed_at,
        permission: Permission::of_role(&account.role),
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

fn after(at: Timestamp, length: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(micros(length)))
}

fn before(at: Timestamp, length: Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(micros(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let token = Token([7; 32]);
        let cookie = token.cookie(true);
        let text = cookie.to_str().unwrap();
        assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
        let pair = text.split(';').next().unwrap();
        let found = Token::of(&headers(&[("cookie", &format!("a=b; {pair}; c=d"))])).unwrap();
        assert_eq!(found.0, token.0);
        for wrong in [
            "",
            "powerflow_session=",
            "powerflow_session=!!",
            "powerflow_session=AAAA",
            "powerflow_session",
        ] {
            assert!(
                Token::of(&headers(&[("cookie", wrong)])).is_none(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_change_needs_the_token_and_this_host() {
        let token = Token([7; 32]);
        let csrf = token.csrf();
        let said = |pairs: &[(&'static str, &str)]| forged(&token, &Method::POST, &headers(pairs));
        assert!(forged(&token, &Method::GET, &HeaderMap::new()).is_none());
        assert!(said(&[("host", "a:1")]).is_some());
        assert!(
            said(&[
                ("host", "a:1"),
                ("x-powerflow-csrf", &Token([8; 32]).csrf())
            ])
            .is_some()
        );
        assert!(said(&[("host", "a:1"), ("x-powerflow-csrf", &csrf)]).is_none());
        for (origin, refused) in [
            ("http://a:1", false),
            ("https://a:1", false),
            ("http://a:2", true),
            ("http://b:1", true),
            ("null", true),
        ] {
            let pairs = [
                ("host", "a:1"),
                ("x-powerflow-csrf", &*csrf),
                ("origin", origin),
            ];
            assert_eq!(said(&pairs).is_some(), refused, "{origin}");
        }
        let proxied = [
            ("host", "inner"),
            ("x-forwarded-host", "outer"),
            ("x-powerflow-csrf", &*csrf),
            ("origin", "https://outer"),
        ];
        assert!(said(&proxied).is_none());
    }
}
