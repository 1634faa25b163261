//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command::{
    application, approval, cache, configuration, limit, run, schedule, signal, step, syncpack,
    task, webhook, worker,
};

const AFTER: &str = "\
Exit codes:
  0  done; a run ended well or with a warning
  1  the run failed or was cancelled (--wait, --follow)
  2  the command line is wrong
  3  there is nothing of that name
  4  refused: invalid, in conflict, or a file of this machine cannot be used
  5  the service does not answer, is busy, or has a defect
  6  name or password is wrong, or the role does not allow it
  7  the run had not ended in time

Where the service is and who you are comes from flags, then the environment
(PFCTL_URL, PFCTL_USER, PFCTL_PASSWORD or PFCTL_PASSWORD_FILE), then the profile in
~/.config/pfctl/config.toml:

  default = \"lab\"
  [profile.lab]
  url = \"https://powerflow.example.com\"
  user = \"isadmin\"
  password_file = \"/home/me/.powerflow-password\"

Example:
  pfctl application upload apps/*.json
  pfctl application run create_or_update_incident --param event_id=4711 --follow";

/// Work with a PowerFlow service: applications, runs, configuration objects, SyncPacks.
#[derive(Debug, Parser)]
#[command(name = "pfctl", version, arg_required_else_help = true, after_long_help = AFTER,
    after_help = "`pfctl --help` also shows exit codes, settings and an example.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command. The variables that stand behind flags are read with the
/// profile, not by clap: only so is it known which of the two was given.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct Global {
    /// The service's address [env: PFCTL_URL] [default: http://127.0.0.1:8080]
    #[arg(long, global = true)]
    pub(crate) url: Option<String>,
    /// The account's name [env: PFCTL_USER] [default: isadmin]
    #[arg(long, global = true)]
    pub(crate) user: Option<String>,
    /// A file whose first line is the password [env: PFCTL_PASSWORD, the password itself,
    /// or PFCTL_PASSWORD_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// A certificate authority of your own (PEM), trusted besides the system's
    /// [env: PFCTL_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The profile of the profile file to use [env: PFCTL_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print the result as JSON, for programs; its form is kept stable
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Applications, graphs of steps: upload, check, run
    #[command(subcommand, visible_alias = "app")]
    Application(application::Command),
    /// Runs: follow, read logs and data, replay, retry, cancel, pause, one or many
    #[command(subcommand)]
    Run(run::Command),
    /// Single steps of runs: stop them
    #[command(subcommand)]
    Task(task::Command),
    /// Steps that wait for a person's decision: list, approve, reject
    #[command(subcommand)]
    Approval(approval::Command),
    /// Messages for steps that wait for one: send
    #[command(subcommand)]
    Signal(signal::Command),
    /// Configuration objects, where systems are and how to log in: upload, show
    #[command(subcommand, visible_aliases = ["conf", "config"])]
    Configuration(configuration::Command),
    /// Schedules, when applications run by themselves: create, pause, look ahead and back
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Webhooks, addresses that other systems call to start applications: make, look at deliveries
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Steps that active SyncPacks offer: find, run one alone
    #[command(subcommand)]
    Step(step::Command),
    /// SyncPacks, plugins with steps: write, build, upload, activate
    #[command(subcommand, visible_alias = "pack")]
    Syncpack(syncpack::Command),
    /// Cache records, which steps keep from run to run
    #[command(subcommand)]
    Cache(cache::Command),
    /// Limits of steps: who holds a key, and who waits for it
    #[command(subcommand)]
    Limit(limit::Command),
    /// Processes of the service: list, change queues and slots of workers
    #[command(subcommand)]
    Worker(worker::Command),
    /// Show versions, and which processes there are
    ///
    /// Example: pfctl about
    About,
    /// Print a completion script for a shell
    ///
    /// Example: pfctl completions bash > ~/.local/share/bash-completion/completions/pfctl
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                for one in command.get_subcommands() {
                    walk(one, &path);
                }
                return;
            }
            let text = command
                .get_long_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(text.contains("Example: pfctl "), "{path} has no example");
        }
        walk(&Arguments::command(), "");
    }

    #[test]
    fn short_names_lead_to_the_same_commands() {
        let of = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap().command;
        assert!(matches!(of("pfctl app list"), Command::Application(_)));
        assert!(matches!(of("pfctl conf list"), Command::Configuration(_)));
        assert!(matches!(of("pfctl config list"), Command::Configuration(_)));
        assert!(matches!(of("pfctl pack list --json"), Command::Syncpack(_)));
        assert!(Arguments::try_parse_from(["pfctl", "app", "run"]).is_err());
    }
}
