//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

const AFTER: &str = "\
Example:
  powerflow serve --set server.listen=127.0.0.1:9090 --set data.directory=/var/lib/powerflow

`pfctl` talks to the running service. Exit codes: 0 ended in order, 1 cannot start or failed,
2 the command line or a setting is wrong.";

/// The PowerFlow service: runs integrations between systems, durably and in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "powerflow", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the service: API, store and workers in this one process, until Ctrl-C or SIGTERM
    ///
    /// No setting is needed. At the first start it makes the data directory and shows the
    /// administrator's password, once.
    Serve(Sources),
    /// Run a process of a cluster that answers requests
    Api(Sources),
    /// Run a process of a cluster that executes steps
    Worker(Sources),
    /// Run a process of a cluster that keeps order; of several, one leads
    Scheduler(Sources),
    /// Check the settings, or see what can be set
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings that hold and where each comes from, or every problem of them
    ///
    /// Takes what `serve` takes, and starts nothing.
    Check(Sources),
    /// Print every setting that there is, with its meaning and default
    Reference {
        /// How to print it
        #[arg(long, value_enum, default_value = "markdown")]
        form: Form,
    },
}

/// A form of the reference.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    /// A page
    Markdown,
    /// A settings file to copy
    Example,
    /// A JSON Schema of the settings file
    Schema,
}

/// Where settings come from beside the environment.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// The settings file [default: powerflow.toml in the working directory, if it is there]
    #[arg(long, short, env = config::FILE_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting, such as server.listen=[::]:8080; stronger than file and environment. May be
    /// repeated
    #[arg(long = "set", value_name = "SECTION.SETTING=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
}

impl Sources {
    /// The settings file to read; `None` when none is named and none is there.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let usual = Path::new("powerflow.toml");
        match &self.config {
            Some(path) => Some(path.clone()),
            None => usual.exists().then(|| usual.to_owned()),
        }
    }
}

/// Says what is wrong with the command line, or shows the help that was asked for, and ends.
/// To a command that there is not, it lists those that there are.
pub(crate) fn exit(error: &clap::Error) -> ! {
    // Whoever has closed the terminal reads nothing.
    let _ = error.print();
    if error.kind() == ErrorKind::InvalidSubcommand {
        eprintln!("\nCommands:");
        for command in Arguments::command().get_subcommands() {
            let about = command.get_about().map(ToString::to_string);
            eprintln!("  {:10} {}", command.get_name(), about.unwrap_or_default());
        }
    }
    std::process::exit(error.exit_code())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if name.contains('.') => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write it as section.setting=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_setting_is_a_name_with_its_section_and_a_value() {
        assert_eq!(
            pair("server.listen=[::]:80"),
            Ok(("server.listen".to_owned(), "[::]:80".to_owned()))
        );
        assert_eq!(
            pair("http.user_agent=a=b"),
            Ok(("http.user_agent".to_owned(), "a=b".to_owned()))
        );
        assert!(pair("listen=1").is_err());
        assert!(pair("server.listen").is_err());
    }
}
