//! Where the service is and who asks: flags, environment, profile file.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{arguments::Global, failure::Failure};

const URL: &str = "http://127.0.0.1:8080";
const USER: &str = "isadmin";

/// What is needed to ask a service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<String>,
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    url: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Access {
    /// From flags and environment (which clap has merged) and the profile.
    pub(crate) fn of(global: &Global) -> Result<Self, Failure> {
        let profile = match path() {
            Some(path) => choose(&path, global.profile.as_deref())?,
            None => Profile::default(),
        };
        let password = match env::var("PFCTL_PASSWORD") {
            Ok(password) if !password.is_empty() => Some(password),
            _ => global
                .password_file
                .as_deref()
                .or(profile.password_file.as_deref())
                .map(first_line)
                .transpose()?,
        };
        Ok(Self {
            url: global
                .url
                .clone()
                .or(profile.url)
                .unwrap_or_else(|| URL.to_owned()),
            user: global
                .user
                .clone()
                .or(profile.user)
                .unwrap_or_else(|| USER.to_owned()),
            password,
            ca_file: global.ca_file.clone().or(profile.ca_file),
        })
    }
}

fn path() -> Option<PathBuf> {
    if let Some(path) = env::var_os("PFCTL_CONFIG") {
        return Some(path.into());
    }
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(folder.join("pfctl/config.toml"))
}

fn choose(path: &Path, name: Option<&str>) -> Result<Profile, Failure> {
    let file: File = match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map_err(|error| Failure::local(format!("{}: {error}", path.display())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
        Err(error) => return Err(Failure::local(format!("{}: {error}", path.display()))),
    };
    let Some(name) = name.map(str::to_owned).or(file.default) else {
        return Ok(Profile::default());
    };
    file.profile.get(&name).cloned().ok_or_else(|| {
        let names: Vec<_> = file.profile.keys().map(String::as_str).collect();
        Failure::local(format!(
            "{} has no profile `{name}`; it has: {}",
            path.display(),
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ))
    })
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::local(format!("the password file {}: {error}", path.display()))
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_chosen_by_name_or_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        assert_eq!(choose(&path, None).unwrap().url, None);
        assert!(choose(&path, Some("lab")).is_err());
        let text = "default = 'lab'\n[profile.lab]\nurl = 'http://lab'\n[profile.live]\nurl = 'http://live'\n";
        fs::write(&path, text).unwrap();
        assert_eq!(choose(&path, None).unwrap().url.unwrap(), "http://lab");
        assert_eq!(
            choose(&path, Some("live")).unwrap().url.unwrap(),
            "http://live"
        );
        let failure = choose(&path, Some("prod")).unwrap_err();
        assert!(failure.message.contains("lab, live"), "{}", failure.message);
        fs::write(&path, "defautl = 'lab'").unwrap();
        assert!(choose(&path, None).is_err());
    }
}
