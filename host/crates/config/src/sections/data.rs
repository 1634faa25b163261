use std::path::PathBuf;

use super::section;

section! {
    /// The files of the service.
    Data = "data" {
        /// The directory for the embedded store, the key file and compiled components.
        /// Made at the first start, for its owner only. Back it up as a whole, and the
        /// key file `key` in it also apart from the rest.
        directory: PathBuf = "powerflow-data";
        /// The file of the key that secrets are encrypted with. `key` in the data
        /// directory where it is not set. All nodes of a cluster need the same.
        key_file: Option<PathBuf> = "";
    }
}
