//! The key file: a line that names the format, then a line for each key, the
//! current one first: its id and its 32 bytes in base64url. Lines that start with
//! `#` are for people.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{Error, key::Key};

const FORMAT: &str = "powerflow-key-file 1";
const NOTE: &str = "# Encrypts the secrets of this service. Back it up apart from the store: \
                    without it they are lost, with it they can be read.";
/// More than a thousand keys: what is longer is another file, given by mistake.
const LONGEST: u64 = 64 * 1024;

fn failed(path: &Path, act: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act, source }
}

/// The keys in the file, the current one first; `None` when there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<Key>>, Error> {
    let Some(mut file) = open(path)? else {
        return Ok(None);
    };
    let metadata = file.metadata().map_err(failed(path, "read"))?;
    if !metadata.is_file() {
        let path = path.to_owned();
        let what = "no plain file";
        return Err(Error::NotAFile { path, what });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(Error::LooseMode { path, mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    (&mut file)
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed(path, "read"))?;
    parse(&text)
        .map(Some)
        .map_err(|(line, what)| Error::Malformed {
            path: path.to_owned(),
            line,
            what,
        })
}

/// Opens without following a link, and without waiting for the writer of a pipe.
fn open(path: &Path) -> Result<Option<File>, Error> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Err(Error::NotAFile {
            path: path.to_owned(),
            what: "a symbolic link",
        }),
        Err(error) => Err(failed(path, "read")(error)),
    }
}

/// The keys, or the number of the first bad line and what is wrong with it. No
/// message repeats what the line holds.
fn parse(text: &str) -> Result<Vec<Key>, (usize, String)> {
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    match lines.next() {
        Some((_, line)) if line.trim() == FORMAT => {}
        Some((number, _)) => return Err((number, format!("it must say `{FORMAT}`"))),
        None => return Err((1, "it is empty".to_owned())),
    }
    let mut keys: Vec<Key> = Vec::new();
    for (number, line) in lines {
        let (id, encoded) = line
            .trim()
            .split_once(' ')
            .ok_or_else(|| (number, "it must hold a key id and a key".to_owned()))?;
        let decoded = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(encoded.trim())
                .map_err(|_| (number, "the key is not base64url".to_owned()))?,
        );
        let bytes: [u8; 32] = decoded
            .as_slice()
            .try_into()
            .map_err(|_| (number, "the key is not 32 bytes long".to_owned()))?;
        let key = Key::new(Zeroizing::new(bytes));
        if key.id() != id {
            return Err((number, format!("the key's id is {}, not {id}", key.id())));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err((1, "it holds no key".to_owned()));
    }
    Ok(keys)
}

/// Makes the file with one new key: complete under another name first, then under
/// its own if that is still free. A process that was faster wins, and its key is read.
pub(crate) fn create(path: &Path) -> Result<Vec<Key>, Error> {
    let key = Key::random()?;
    match write(path, &key) {
        Ok(()) => Ok(vec![key]),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(path, "written")(error))
        }
        Err(error) => Err(failed(path, "written")(error)),
    }
}

fn write(path: &Path, key: &Key) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".key-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.bytes()));
    let content = Zeroizing::new(format!("{FORMAT}\n{NOTE}\n{} {}\n", key.id(), *encoded));
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}
