//! Where the service is and who asks: flags beat the environment, that beats the profile file.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{arguments::Global, failure::Failure, file};

/// The variable and the default.
const URL: (&str, &str) = ("PFCTL_URL", "http://127.0.0.1:8080");
const USER: (&str, &str) = ("PFCTL_USER", "isadmin");
const PASSWORD: &str = "PFCTL_PASSWORD";
const PASSWORD_FILE: &str = "PFCTL_PASSWORD_FILE";
const CA_FILE: &str = "PFCTL_CA_FILE";
const PROFILE: &str = "PFCTL_PROFILE";
const CONFIG: &str = "PFCTL_CONFIG";

/// The environment; tests have one of their own.
type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

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
    /// From the flags, the environment of this process and the profile file.
    pub(crate) fn of(global: &Global) -> Result<Self, Failure> {
        Self::with(global, &|name| env::var_os(name))
    }

    /// Each part by itself: the flag, else the variable, else the profile, else the default.
    fn with(global: &Global, variable: Variables<'_>) -> Result<Self, Failure> {
        // A variable that is set to nothing is one that is not set.
        let path = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let text = |name: &str| match variable(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value
                .into_string()
                .map(Some)
                .map_err(|_| Failure::local(format!("{name} is no valid UTF-8"))),
        };
        let named = global
            .profile
            .clone()
            .map_or_else(|| text(PROFILE), |name| Ok(Some(name)))?;
        let profile = match location(&path) {
            Some(path) => choose(&path, named.as_deref())?,
            None => Profile::default(),
        };
        let password = if let Some(file) = &global.password_file {
            Some(first_line(file)?)
        } else if let Some(password) = text(PASSWORD)? {
            Some(password)
        } else {
            let file = path(PASSWORD_FILE).or(profile.password_file);
            file.as_deref().map(first_line).transpose()?
        };
        let choose = |flag: &Option<String>, name: &str, profile: Option<String>, default: &str| {
            let given = match flag {
                Some(flag) => Some(flag.clone()),
                None => text(name)?.or(profile),
            };
            Ok::<_, Failure>(given.unwrap_or_else(|| default.to_owned()))
        };
        Ok(Self {
            url: choose(&global.url, URL.0, profile.url, URL.1)?,
            user: choose(&global.user, USER.0, profile.user, USER.1)?,
            password,
            ca_file: global
                .ca_file
                .clone()
                .or_else(|| path(CA_FILE))
                .or(profile.ca_file),
        })
    }
}

/// Where the profile file is, whether or not it is there.
fn location(path: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    path(CONFIG).or_else(|| {
        let folder =
            path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("pfctl/config.toml"))
    })
}

fn choose(path: &Path, name: Option<&str>) -> Result<Profile, Failure> {
    let file: File = match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map_err(|error| Failure::local(format!("{}: {error}", path.display())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
        Err(error) => return Err(file::unreadable(path, &error)),
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
    let text = file::text(path).map_err(|mut failure| {
        failure.message = format!("the password file: {}", failure.message);
        failure
    })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::local(format!(
            "the password file `{}` has no first line; the password belongs there",
            path.display()
        ))),
    }
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

    /// What each of the places says, for a table.
    #[derive(Clone, Copy, Default)]
    struct Case {
        flag: bool,
        variable: bool,
        profile: bool,
    }

    const PLACES: [(Case, &str); 8] = {
        const fn case(flag: bool, variable: bool, profile: bool) -> Case {
            Case {
                flag,
                variable,
                profile,
            }
        }
        [
            (case(true, true, true), "flag"),
            (case(true, true, false), "flag"),
            (case(true, false, true), "flag"),
            (case(true, false, false), "flag"),
            (case(false, true, true), "variable"),
            (case(false, true, false), "variable"),
            (case(false, false, true), "profile"),
            (case(false, false, false), "default"),
        ]
    };

    /// The environment of a case, with variables that are set to nothing for those that are not.
    fn environment(folder: &Path, set: &[(&str, String)]) -> impl Fn(&str) -> Option<OsString> {
        let mut all: BTreeMap<String, OsString> = BTreeMap::new();
        for name in [URL.0, USER.0, PASSWORD, PASSWORD_FILE, CA_FILE, PROFILE] {
            all.insert(name.to_owned(), OsString::new());
        }
        all.insert(CONFIG.to_owned(), folder.join("config.toml").into());
        for (name, value) in set {
            all.insert((*name).to_owned(), value.into());
        }
        move |name| all.get(name).cloned()
    }

    #[test]
    fn flags_beat_the_environment_and_that_beats_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (case, wins) in PLACES {
            let config = if case.profile {
                format!(
                    "default = 'lab'\n[profile.lab]\nurl = 'http://profile'\nuser = 'profile'\nca_file = '{}'\n",
                    at("profile").display()
                )
            } else {
                String::new()
            };
            fs::write(at("config.toml"), config).unwrap();
            let flag = |value: &str| case.flag.then(|| value.to_owned());
            let global = Global {
                url: flag("http://flag"),
                user: flag("flag"),
                ca_file: case.flag.then(|| at("flag")),
                ..Global::default()
            };
            let mut set = Vec::new();
            if case.variable {
                set.push((URL.0, "http://variable".to_owned()));
                set.push((USER.0, "variable".to_owned()));
                set.push((CA_FILE, at("variable").display().to_string()));
            }
            let access = Access::with(&global, &environment(folder.path(), &set)).unwrap();
            let expected = match wins {
                "default" => (URL.1.to_owned(), USER.1.to_owned(), None),
                place => (format!("http://{place}"), place.to_owned(), Some(at(place))),
            };
            assert_eq!((access.url, access.user, access.ca_file), expected);
        }
    }

    #[test]
    fn a_password_comes_from_the_strongest_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["flag", "variable file", "profile"] {
            fs::write(at(name), format!("{name}\nignored\n")).unwrap();
        }
        let with_profile = format!(
            "default = 'lab'\n[profile.lab]\npassword_file = '{}'\n",
            at("profile")
        );
        // The flag, PFCTL_PASSWORD, PFCTL_PASSWORD_FILE, the profile.
        for (flag, variable, variable_file, profile, wins) in [
            (true, true, true, true, Some("flag")),
            (true, true, false, false, Some("flag")),
            (true, false, true, true, Some("flag")),
            (false, true, true, true, Some("variable")),
            (false, true, false, true, Some("variable")),
            (false, false, true, true, Some("variable file")),
            (false, false, false, true, Some("profile")),
            (false, false, false, false, None),
        ] {
            fs::write(at("config.toml"), if profile { &with_profile } else { "" }).unwrap();
            let global = Global {
                password_file: flag.then(|| at("flag").into()),
                ..Global::default()
            };
            let mut set = Vec::new();
            if variable {
                set.push((PASSWORD, "variable".to_owned()));
            }
            if variable_file {
                set.push((PASSWORD_FILE, at("variable file")));
            }
            let access = Access::with(&global, &environment(folder.path(), &set)).unwrap();
            assert_eq!(access.password.as_deref(), wins);
        }
    }

    #[test]
    fn the_flag_names_the_profile_before_the_variable_does() {
        let folder = tempfile::tempdir().unwrap();
        let text = "default = 'a'\n[profile.a]\nuser = 'a'\n[profile.b]\nuser = 'b'\n[profile.c]\nuser = 'c'\n";
        fs::write(folder.path().join("config.toml"), text).unwrap();
        for (flag, variable, user) in [
            (Some("c"), Some("b"), "c"),
            (None, Some("b"), "b"),
            (None, None, "a"),
        ] {
            let global = Global {
                profile: flag.map(str::to_owned),
                ..Global::default()
            };
            let set: Vec<_> = variable
                .map(|name: &str| (PROFILE, name.to_owned()))
                .into_iter()
                .collect();
            let access = Access::with(&global, &environment(folder.path(), &set)).unwrap();
            assert_eq!(access.user, user);
        }
    }
}
