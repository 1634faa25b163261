//! Whether a delivery proves who sent it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use model::{
    clock::Timestamp,
    webhook::{Encoding, Signature, Timed},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

const SECOND: i64 = 1_000_000;
/// More signatures in one header are not looked at.
const MOST: usize = 8;

/// What a proof is made of.
pub(super) struct Proof<'d> {
    pub(super) body: &'d [u8],
    pub(super) header: &'d dyn Fn(&str) -> Option<&'d str>,
    pub(super) now: Timestamp,
}

/// Whether one of the secrets proves the delivery; why not, in words for who set it up. They
/// never hold anything of a secret, nor of what was received.
pub(super) fn check(
    signature: &Signature,
    secrets: &[SecretString],
    proof: &Proof<'_>,
) -> Result<(), String> {
    match signature {
        Signature::None => Ok(()),
        Signature::Token { header, prefix } => {
            let given = given(proof, header, prefix)?;
            // Each is compared, whichever it is.
            let same = secrets.iter().fold(0, |found, secret| {
                let same = secret.expose_secret().as_bytes().ct_eq(given.as_bytes());
                found | same.unwrap_u8()
            });
            right(same == 1)
        }
        Signature::HmacSha256 {
            header,
            prefix,
            encoding,
            timed,
        } => {
            let given = given(proof, header, prefix)?;
            let given = decode(given, *encoding).ok_or_else(|| {
                let name = match encoding {
                    Encoding::Hex => "hexadecimal",
                    Encoding::Base64 => "base64",
                };
                format!("the signature in `{header}` is no {name}")
            })?;
            let pieces = match timed {
                None => [&b""[..], proof.body, b""],
                Some(timed) => {
                    let at = time(proof, timed)?;
                    return right(is_signed_at(secrets, proof, timed, at, &given));
                }
            };
            right(is_signed(secrets, &pieces, &given))
        }
        Signature::Stripe { header, tolerance } => stripe(secrets, proof, header, *tolerance),
    }
}

fn right(signed: bool) -> Result<(), String> {
    if signed {
        Ok(())
    } else {
        Err("no secret of the webhook made the signature".to_owned())
    }
}

/// What stands in a header behind the prefix.
fn given<'d>(proof: &Proof<'d>, header: &str, prefix: &str) -> Result<&'d str, String> {
    let value = (proof.header)(header).ok_or_else(|| format!("there is no header `{header}`"))?;
    value
        .trim()
        .strip_prefix(prefix)
        .ok_or_else(|| format!("what `{header}` holds does not begin with `{prefix}`"))
}

fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Hex => {
            if text.len() != 64 || !text.is_ascii() {
                return None;
            }
            let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            (0..64).step_by(2).map(byte).collect()
        }
    }
}

/// Whether one of the secrets made the signature of these pieces.
fn is_signed(secrets: &[SecretString], pieces: &[&[u8]], given: &[u8]) -> bool {
    let mut found = false;
    for secret in secrets {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            continue;
        };
        for piece in pieces {
            mac.update(piece);
        }
        // In constant time.
        found |= mac.verify_slice(given).is_ok();
    }
    found
}

fn is_signed_at(
    secrets: &[SecretString],
    proof: &Proof<'_>,
    timed: &Timed,
    at: &str,
    given: &[u8],
) -> bool {
    // Both stand in it once, in either order.
    let before_body = timed.signed.split_once("{body}");
    let Some((before, after)) = before_body else {
        return false;
    };
    let (before, after) = (
        before.replace("{timestamp}", at),
        after.replace("{timestamp}", at),
    );
    is_signed(
        secrets,
        &[before.as_bytes(), proof.body, after.as_bytes()],
        given,
    )
}

/// The time in its header, if it is near enough to now.
fn time<'d>(proof: &Proof<'d>, timed: &Timed) -> Result<&'d str, String> {
    let header = &timed.header;
    let text = (proof.header)(header).ok_or_else(|| format!("there is no header `{header}`"))?;
    near(text.trim(), timed.tolerance, proof.now)
}

fn near(text: &str, tolerance: i64, now: Timestamp) -> Result<&str, String> {
    let seconds: i64 = text
        .parse()
        .map_err(|_| "its time is no number of seconds".to_owned())?;
    let away = (now.0 / SECOND).abs_diff(seconds);
    if away > tolerance as u64 {
        return Err(format!(
            "its time is {away} s from now, and may be {tolerance}: it was sent before, or a clock is wrong"
        ));
    }
    Ok(text)
}

fn stripe(
    secrets: &[SecretString],
    proof: &Proof<'_>,
    header: &str,
    tolerance: i64,
) -> Result<(), String> {
    let text = given(proof, header, "")?;
    let (mut at, mut signatures) = (None, Vec::new());
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some(("t", time)) => at = Some(time),
            Some(("v1", signature)) if signatures.len() < MOST => signatures.push(signature),
            _ => {}
        }
    }
    let at = at.ok_or_else(|| format!("`{header}` holds no `t=`"))?;
    let at = near(at, tolerance, proof.now)?;
    if signatures.is_empty() {
        return Err(format!("`{header}` holds no `v1=`"));
    }
    let pieces = [at.as_bytes(), b".", proof.body];
    right(signatures.into_iter().fold(false, |found, signature| {
        let given = decode(signature, Encoding::Hex);
        found | given.is_some_and(|given| is_signed(secrets, &pieces, &given))
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const NOW: i64 = 1_531_420_618;
    /// `HMAC-SHA256("key", "The quick brown fox jumps over the lazy dog")`, of RFC-like vectors
    /// that are printed in many places.
    const FOX: &str = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    const FOX_TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";

    fn try_with(
        signature: &Signature,
        secrets: &[&str],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), String> {
        let secrets: Vec<SecretString> = secrets.iter().map(|one| (*one).into()).collect();
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        let proof = Proof {
            body,
            header: &header,
            now: Timestamp(NOW * SECOND),
        };
        check(signature, &secrets, &proof)
    }

    fn hmac(prefix: &str, encoding: Encoding) -> Signature {
        Signature::HmacSha256 {
            header: "s".to_owned(),
            prefix: prefix.to_owned(),
            encoding,
            timed: None,
        }
    }

    #[test]
    fn a_known_signature_is_right_and_nothing_near_it_is() {
        let github = hmac("sha256=", Encoding::Hex);
        let right = format!("sha256={FOX}");
        let upper = format!("sha256={}", FOX.to_uppercase());
        for (headers, fine) in [
            (&[("s", &*right)][..], true),
            (&[("s", &*upper)], true),
            (&[("s", FOX)], false),
            (&[("s", &right[..70])], false),
            (&[("s", "sha256=")], false),
            (&[("s", "sha256=ää")], false),
            (&[("other", &*right)], false),
        ] {
            let answer = try_with(&github, &["key"], headers, FOX_TEXT);
            assert_eq!(answer.is_ok(), fine, "{headers:?}: {answer:?}");
        }
        let headers = [("s", &*right)];
        assert!(try_with(&github, &["kay"], &headers, FOX_TEXT).is_err());
        assert!(try_with(&github, &["key"], &headers, b"The quick brown fox").is_err());
        assert!(try_with(&github, &[], &headers, FOX_TEXT).is_err());
        // Two secrets at a time, while one takes the other's place.
        assert!(try_with(&github, &["new", "key"], &headers, FOX_TEXT).is_ok());
        let base64 = "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=";
        let shop = hmac("", Encoding::Base64);
        assert!(try_with(&shop, &["key"], &[("s", base64)], FOX_TEXT).is_ok());
    }

    /// The example of Slack's own documentation.
    #[test]
    fn a_signed_time_must_be_near() {
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let sent = "1531420618";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let slack = |tolerance| Signature::HmacSha256 {
            header: "s".to_owned(),
            prefix: "v0=".to_owned(),
            encoding: Encoding::Hex,
            timed: Some(Timed {
                header: "t".to_owned(),
                tolerance,
                signed: "v0:{timestamp}:{body}".to_owned(),
            }),
        };
        let secret = ["8f742231b10e8888abcd99yyyzzz85a5"];
        let headers = [("s", signature), ("t", sent)];
        assert_eq!(try_with(&slack(1), &secret, &headers, body), Ok(()));
        // Another time than the one that was signed.
        let later = [("s", signature), ("t", "1531420619")];
        assert!(try_with(&slack(60), &secret, &later, body).is_err());
        for (wrong, why) in [
            ("1531420557", "61 s from now"),
            ("1531420679", "61 s from now"),
            ("soon", "no number"),
            ("-9223372036854775808", "from now"),
        ] {
            let answer = try_with(&slack(60), &secret, &[("s", signature), ("t", wrong)], body);
            assert!(
                answer.clone().unwrap_err().contains(why),
                "{wrong}: {answer:?}"
            );
        }
        assert!(try_with(&slack(60), &secret, &[("s", signature)], body).is_err());
    }

    #[test]
    fn time_and_signatures_stand_in_one_header() {
        let stripe = Signature::Stripe {
            header: "s".to_owned(),
            tolerance: 300,
        };
        let sign = |at: i64, body: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec").unwrap();
            mac.update(format!("{at}.").as_bytes());
            mac.update(body);
            let bytes = mac.finalize().into_bytes();
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let good = sign(NOW, b"{}");
        let old = sign(NOW - 301, b"{}");
        for (header, fine) in [
            (format!("t={NOW},v1={good}"), true),
            (
                format!("t={NOW}, v0=x, v1={}, v1={good}", "0".repeat(64)),
                true,
            ),
            (format!("t={},v1={old}", NOW - 301), false),
            (format!("t={},v1={good}", NOW - 1), false),
            (format!("t={NOW},v0={good}"), false),
            (format!("v1={good}"), false),
        ] {
            let answer = try_with(&stripe, &["whsec"], &[("s", &header)], b"{}");
            assert_eq!(answer.is_ok(), fine, "{header}: {answer:?}");
        }
    }

    #[test]
    fn a_token_is_the_secret_itself() {
        let token = Signature::Token {
            header: "authorization".to_owned(),
            prefix: "Bearer ".to_owned(),
        };
        for (value, fine) in [
            ("Bearer one-secret", true),
            ("Bearer two-secret", true),
            ("Bearer one-secre", false),
            ("one-secret", false),
            ("Bearer ", false),
        ] {
            let answer = try_with(
                &token,
                &["one-secret", "two-secret"],
                &[("authorization", value)],
                b"",
            );
            assert_eq!(answer.is_ok(), fine, "{value}: {answer:?}");
        }
        assert!(try_with(&token, &["one-secret"], &[], b"").is_err());
        assert_eq!(try_with(&Signature::None, &[], &[], b""), Ok(()));
    }
}
