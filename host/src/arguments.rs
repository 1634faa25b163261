//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Integration automation: sandboxed steps, durable runs.
#[derive(Debug, Parser)]
#[command(name = "powerflow", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole service in this process
    Serve(Sources),
    /// Look at the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings that hold and where each comes from, or every problem
    Check(Sources),
    /// Print what can be set
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
    /// The settings file [default: powerflow.toml in the working directory, if there]
    #[arg(long, short, env = config::FILE_VARIABLE, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting, stronger than file and environment, such as server.listen=[::]:8080
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
