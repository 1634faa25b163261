//! What a component says of itself without being executed.

use wasmparser::{ComponentTypeRef, Parser, Payload, Validator};

use crate::{CONTRACT, Error, section::malformed};

/// How names of the contract's interfaces begin.
const PACKAGE: &str = "powerflow:syncpack/";

/// The names at a component's border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// What it imports, in order: `wasi:http/types@0.2.12` and the like.
    pub imports: Vec<String>,
    /// What it exports, in order.
    pub exports: Vec<String>,
}

impl Interface {
    /// Reads the names; what lies nested inside is passed over.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut interface = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(malformed)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import.map_err(malformed)?;
                        // The world's own types stand among the imports; nobody provides them.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            interface.imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        interface
                            .exports
                            .push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(interface)
    }

    /// The version of the contract that the component was built for.
    pub fn contract(&self) -> Option<&str> {
        let name = self
            .imports
            .iter()
            .find_map(|name| name.strip_prefix(PACKAGE))?;
        name.split_once('@').map(|(_, version)| version)
    }

    /// Checks that the component holds steps for this platform.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for name in ["execute", "describe"] {
            if !self.exports.iter().any(|export| export == name) {
                return Err(Error::MissingExport { name });
            }
        }
        let found = self.contract().ok_or_else(|| Error::ContractVersion {
            found: "of nobody".to_owned(),
            hint: "its `execute` does not use the types of powerflow:syncpack; build it with a SyncPack SDK",
        })?;
        check_contract(found)
    }
}

/// Checks that a component is valid down to the last instruction, which reading its names
/// and sections does not: a damaged file may still have both. Much cheaper than compiling.
///
/// # Errors
/// [`Error::Malformed`] with the place.
pub fn validate_component(bytes: &[u8]) -> Result<(), Error> {
    Validator::new().validate_all(bytes).map_err(malformed)?;
    Ok(())
}

/// Whether this platform speaks the contract `found`.
pub(crate) fn check_contract(found: &str) -> Result<(), Error> {
    let wrong = |hint| {
        Err(Error::ContractVersion {
            found: found.to_owned(),
            hint,
        })
    };
    let (Ok(version), Ok(ours)) = (
        semver::Version::parse(found),
        semver::Version::parse(CONTRACT),
    ) else {
        return wrong("that is no version");
    };
    if version.major < ours.major {
        wrong("build the SyncPack again with a current SDK")
    } else if version.major > ours.major || version.minor > ours.minor {
        wrong("upgrade the platform")
    } else {
        Ok(())
    }
}
