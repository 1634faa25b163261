use std::{num::NonZeroU32, path::PathBuf};

use super::section;
use crate::Bytes;

section! {
    /// The sandbox that steps are executed in.
    Runtime = "runtime" {
        /// The most linear memory of one step.
        memory: Bytes = "256MiB";
        /// The stack of one step's WebAssembly code.
        stack: Bytes = "1MiB";
        /// The largest output of a step.
        output_limit: Bytes = "32MiB";
        /// The most log text of one attempt of a step; what follows is cut, and the
        /// log says so.
        log_limit: Bytes = "1MiB";
        /// Instances that can exist at once, each with its reserved address space. At
        /// least `worker.slots` where every step shall find one free.
        pool_slots: NonZeroU32 = "1024";
        /// The directory for compiled components, which can be made again at any time.
        /// `artefacts` in the data directory where it is not set.
        artefact_directory: Option<PathBuf> = "";
    }
}
