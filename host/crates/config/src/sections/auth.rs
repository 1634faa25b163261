use std::{path::PathBuf, time::Duration};

use super::section;

section! {
    /// Who may use the service.
    Auth = "auth" {
        /// The administrator's account, made at the first start.
        admin: String = "isadmin";
        /// A file whose first line is that account's password, of at least 12 characters. It
        /// is read at each start: a file that was changed changes the password then. Where
        /// it is not set, a password is generated at the first start and shown once.
        admin_password_file: Option<PathBuf> = "";
        /// How long a password that was verified is not verified again. Verifying
        /// takes tens of milliseconds of CPU on purpose. `0s` verifies each request.
        credential_cache: Duration = "60s";
        /// After how long without use a browser has to log in again.
        session_idle: Duration = "8h";
        /// After how long a browser has to log in again, however much it was used.
        session_lifetime: Duration = "7d";
    }
}
