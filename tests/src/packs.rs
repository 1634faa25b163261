//! SyncPacks, built with `pfctl` once for all tests and again when their sources have changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, bail};

use crate::place;

/// A SyncPack of this repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// Its source folder in the repository.
    pub source: &'static str,
    /// What its manifest asks for.
    pub grants: &'static [&'static str],
}

/// Two steps that do next to nothing, for benchmarks.
pub const BENCH: Pack = Pack {
    name: "bench_pack",
    source: "syncpacks/bench",
    grants: &[],
};
/// The integration of `examples/incident-sync`.
pub const INCIDENT_SYNC: Pack = Pack {
    name: "servicenow_example",
    source: "examples/incident-sync/syncpack",
    grants: &["servicenow", "sl1"],
};
/// Steps whose outcome and moment a test decides.
pub const TRIAL: Pack = Pack {
    name: "trial_pack",
    source: "tests/guests/trial",
    grants: &["cache"],
};
/// Steps that abuse the host.
pub const HOSTILE: Pack = Pack {
    name: "hostile_pack",
    source: "tests/guests/hostile",
    grants: &["cache"],
};
/// Those that users and benchmarks meet.
pub const ALL: [Pack; 2] = [BENCH, INCIDENT_SYNC];
/// Those that only tests use.
pub const TESTED: [Pack; 2] = [TRIAL, HOSTILE];

/// What every pack is built from besides its own folder.
const SHARED: [&str; 2] = ["sdk", "wit"];

impl Pack {
    /// Where its file is, or will be.
    pub fn file(&self) -> PathBuf {
        place::target()
            .join("packs")
            .join(format!("{}.wasm", self.name))
    }

    /// Builds it unless its file is newer than its sources. Safe from several processes at once.
    pub fn build(&self) -> anyhow::Result<PathBuf> {
        self.build_with(&place::program("pfctl")?)
    }

    /// The same with a `pfctl` from elsewhere.
    pub fn build_with(&self, pfctl: &Path) -> anyhow::Result<PathBuf> {
        let file = self.file();
        let folder = file.parent().context("a pack lies in a folder")?;
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(format!("{}.lock", self.name)))?;
        lock.lock()
            .context("the folder of packs cannot be locked")?;
        let source = place::root().join(self.source);
        if is_fresh(&file, &source)? {
            return Ok(file);
        }
        let output = Command::new(pfctl)
            .args(["syncpack", "build"])
            .arg(&source)
            .arg("--output")
            .arg(&file)
            // What the outer cargo sets for its own profile is not meant for components.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .output()
            .context("pfctl cannot be started")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("{} cannot be built: {said}", self.name);
        }
        if !file.is_file() {
            bail!(
                "pfctl built {} but did not write {}",
                self.name,
                file.display()
            );
        }
        Ok(file)
    }
}

fn is_fresh(file: &Path, source: &Path) -> anyhow::Result<bool> {
    let Ok(built) = fs::metadata(file).and_then(|data| data.modified()) else {
        return Ok(false);
    };
    let mut newest = changed(source)?;
    for shared in SHARED {
        newest = newest.max(changed(&place::root().join(shared))?);
    }
    Ok(built > newest)
}

/// When anything in a folder was changed last, build output apart.
fn changed(folder: &Path) -> anyhow::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let time = match entry.file_type()? {
            kind if kind.is_dir() && entry.file_name() == "target" => continue,
            kind if kind.is_dir() => changed(&entry.path())?,
            _ => entry.metadata()?.modified()?,
        };
        newest = newest.max(time);
    }
    Ok(newest)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn packs_are_described_as_their_sources_are() {
        for pack in ALL.into_iter().chain(TESTED) {
            let meta = fs::read(place::root().join(pack.source).join("meta.json")).unwrap();
            let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
            assert_eq!(meta["name"], pack.name);
            let grants: Vec<&str> = meta["grants"]
                .as_array()
                .unwrap()
                .iter()
                .map(|grant| grant["id"].as_str().unwrap())
                .collect();
            assert_eq!(grants, pack.grants);
        }
    }

    #[test]
    fn build_output_is_no_change_and_a_source_is() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("src")).unwrap();
        fs::create_dir_all(source.join("target")).unwrap();
        fs::write(source.join("src/lib.rs"), "").unwrap();
        let before = changed(&source).unwrap();
        let later = before + std::time::Duration::from_mins(1);
        let set = |path: &str| {
            let file = File::create(source.join(path)).unwrap();
            file.set_modified(later).unwrap();
        };
        set("target/x");
        assert_eq!(changed(&source).unwrap(), before);
        set("src/lib.rs");
        assert_eq!(changed(&source).unwrap(), later);
    }
}
