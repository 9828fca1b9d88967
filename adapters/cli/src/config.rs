//! `--config FILE`: a TOML file with the options of a command, by their names on the command line, where each of them counts
//! more. Variables, timers and thresholds (`--set`) stand in a table `[set]`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::args::Args;

/// Where the settings stand that came from a file.
static ORIGINS: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// Where a setting stands, if it came from a file.
pub(crate) fn origin(setting: &str) -> Option<String> {
    ORIGINS.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(setting).cloned()
}

/// What the program was started with.
static STARTED: OnceLock<Options> = OnceLock::new();

/// The values of options by their names, and those of settings by theirs.
type Options = BTreeMap<String, Vec<OsString>>;

/// The values of all options on a command line, given or by default.
fn options(line: &[OsString]) -> Options {
    let command = Args::command();
    let Ok(matches) = command.clone().try_get_matches_from(line) else { return Options::new() };
    let Some((name, matches)) = matches.subcommand() else { return Options::new() };
    let of_command = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let mut options = Options::new();
    for argument in of_command.chain(command.get_arguments()) {
        let values = matches.try_get_raw(argument.get_id().as_str()).ok().flatten().into_iter().flatten();
        let values = values.map(OsStr::to_os_string);
        match argument.get_long() {
            Some("set") => {
                for value in values {
                    let text = value.to_string_lossy();
                    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                    options.insert(name.trim().into(), vec![value.trim().into()]);
                }
            }
            Some(name) => _ = options.insert(name.into(), values.collect()),
            None => {}
        }
    }
    options
}

/// The names of options and settings that were others when the program was started.
pub(crate) fn changed() -> Result<Vec<String>, String> {
    let now = options(&expand(std::env::args_os().collect())?);
    let before = STARTED.get_or_init(Options::new);
    let names = before.keys().chain(now.keys()).collect::<BTreeSet<_>>();
    Ok(names.into_iter().filter(|name| before.get(*name) != now.get(*name)).cloned().collect())
}

/// The command line, with what files say. Ends the program if something is wrong with it.
pub(crate) fn parse() -> Args {
    match expand(std::env::args_os().collect()) {
        Ok(line) => {
            STARTED.get_or_init(|| options(&line));
            Args::parse_from(line)
        }
        Err(message) => {
            eprintln!("rserpool: {message}");
            std::process::exit(2)
        }
    }
}

/// The command line again, with what files say now.
pub(crate) fn parse_again() -> Result<Args, String> {
    Args::try_parse_from(expand(std::env::args_os().collect())?).map_err(|error| error.to_string())
}

/// Takes `--config` out of the command line, and puts in what the file says.
fn expand(line: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let (mut line, file) = take_config(line)?;
    let Some(file) = file else { return Ok(line) };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
    let command = Args::command();
    let is_command =
        |argument: &OsString| argument.to_str().is_some_and(|text| command.find_subcommand(text).is_some());
    let place = line.iter().position(is_command).ok_or_else(|| format!("{name}: it is a command's to have options"))?;
    let subcommand = line.get(place).and_then(|text| command.find_subcommand(text)).ok_or("there is no command")?;
    let given: Vec<String> = line.iter().filter_map(|argument| Some(argument.to_str()?.to_string())).collect();
    let options = read(&File { name: &name, text: &text }, &command, subcommand, &given)?;
    line.splice(place + 1..=place, options.into_iter().map(OsString::from));
    Ok(line)
}

/// The command line without `--config`, and the file.
fn take_config(mut line: Vec<OsString>) -> Result<(Vec<OsString>, Option<PathBuf>), String> {
    let Some(place) = line
        .iter()
        .position(|argument| argument.to_str().is_some_and(|text| text == "--config" || text.starts_with("--config=")))
    else {
        return Ok((line, None));
    };
    let argument = line.remove(place);
    let file = match argument.to_str().and_then(|text| text.split_once('=')) {
        Some((_, file)) => Path::new(file).to_path_buf(),
        None if place < line.len() => line.remove(place).into(),
        None => return Err("--config: a file is missing".into()),
    };
    Ok((line, Some(file)))
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn at(&self, span: &Range<usize>) -> String {
        let line = self.text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
        format!("{}:{line}", self.name)
    }
}

/// The file's options as they would stand on the command line.
fn read(file: &File<'_>, command: &Command, subcommand: &Command, given: &[String]) -> Result<Vec<String>, String> {
    let table = DeTable::parse(file.text)
        .map_err(|error| format!("{}: {}", file.at(&error.span().unwrap_or_default()), error.message()))?;
    let mut options = Vec::new();
    let mut origins = HashMap::new();
    for (key, value) in table.get_ref().iter() {
        let (at, key) = (file.at(&key.span()), key.get_ref().as_ref());
        if key == "set" {
            let DeValue::Table(settings) = value.get_ref() else {
                return Err(format!("{at}: 'set' is a table: [set], and a line for each"));
            };
            for (name, value) in settings.iter() {
                let (at, name) = (file.at(&name.span()), name.get_ref().as_ref());
                let text = text(value).ok_or_else(|| format!("{at}: {name}: a value is wanted"))?;
                options.push(format!("--set={name}={text}"));
                origins.insert(name.to_string(), at);
            }
            continue;
        }
        let is_it = |argument: &&Arg| argument.get_long() == Some(key);
        let argument = subcommand.get_arguments().chain(command.get_arguments()).find(is_it);
        let argument = argument.ok_or_else(|| {
            let known: Vec<&str> = subcommand.get_arguments().filter_map(Arg::get_long).collect();
            format!("{at}: {} has no option '{key}'; it has {}", subcommand.get_name(), known.join(", "))
        })?;
        if given.iter().any(|text| text.strip_prefix("--").is_some_and(|text| text.split('=').next() == Some(key))) {
            continue;
        }
        for option in of(argument, key, value).map_err(|wrong| format!("{at}: {key}: {wrong}"))? {
            check(subcommand, &option).map_err(|wrong| format!("{at}: {key}: {wrong}"))?;
            options.push(option);
        }
    }
    *ORIGINS.lock().unwrap_or_else(PoisonError::into_inner) = Some(origins);
    Ok(options)
}

fn of(argument: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    match (argument.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{key}")]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("true or false is wanted".into()),
        (ArgAction::Append, DeValue::Array(values)) => {
            let texts = values.iter().map(|value| text(value).ok_or("each has to be a value"));
            Ok(texts.map(|text| text.map(|text| format!("--{key}={text}"))).collect::<Result<_, _>>()?)
        }
        (_, DeValue::Array(_)) => Err("there can be one only".into()),
        _ => Ok(vec![format!("--{key}={}", text(value).ok_or("a value is wanted")?)]),
    }
}

/// A value as it would stand on the command line.
fn text(value: &Spanned<DeValue<'_>>) -> Option<String> {
    Some(match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        _ => return None,
    })
}

/// Whether an option has a value that it can have.
fn check(subcommand: &Command, option: &str) -> Result<(), String> {
    match subcommand.clone().try_get_matches_from([subcommand.get_name(), option]) {
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            let text = error.to_string();
            let reason = text.lines().next().unwrap_or_default();
            Err(reason.strip_prefix("error: ").unwrap_or(reason).to_string())
        }
        // That others are missing is nothing to this one.
        _ => Ok(()),
    }
}
