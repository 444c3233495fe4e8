//! The operating system user the server runs as, and what that user can reach.
//!
//! PostgreSQL refuses to run as root, on purpose. Started by anyone else, GovConnect runs it under the same
//! user. Started by root, it runs as the owner of the existing database files, else as `govconnect`, else
//! `postgres`, else `nobody`: the first that exists on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, getegid, geteuid};
use tokio::process::Command;

use super::error::{EmbeddedError, IoContext};

const ACCOUNTS_FOR_ROOT: [&str; 3] = ["govconnect", "postgres", "nobody"];

/// Who the server runs as.
#[derive(Debug, Clone)]
pub(super) struct ServerAccount {
    uid: u32,
    gid: u32,
    name: String,
    /// We are root and hand the server to someone else.
    switched: bool,
}

impl ServerAccount {
    /// The account for database files that do not exist yet.
    pub(super) fn for_new_cluster() -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            let uid = geteuid();
            return Ok(Self {
                uid: uid.as_raw(),
                gid: getegid().as_raw(),
                name: name_of(uid),
                switched: false,
            });
        }
        ACCOUNTS_FOR_ROOT
            .iter()
            .filter_map(|name| User::from_name(name).ok().flatten())
            .find(|user| !user.uid.is_root())
            .map(|user| Self {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                name: user.name,
                switched: true,
            })
            .ok_or(EmbeddedError::NoUnprivilegedUser)
    }

    /// The account for `cluster`, which may exist already and then belongs to someone.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Self, EmbeddedError> {
        let usual = Self::for_new_cluster()?;
        let Ok(metadata) = std::fs::metadata(cluster) else { return Ok(usual) };
        let owner = metadata.uid();
        if owner == usual.uid {
            Ok(usual)
        } else if !usual.switched {
            Err(EmbeddedError::Foreign { folder: cluster.to_owned(), owner })
        } else if owner == 0 {
            // Copied by root, a restored backup for example.
            usual.take_over(cluster)?;
            Ok(usual)
        } else {
            let name = name_of(Uid::from_raw(owner));
            Ok(Self { uid: owner, gid: metadata.gid(), name, switched: true })
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether the server runs as someone else than we do.
    pub(super) fn is_switched(&self) -> bool {
        self.switched
    }

    /// Makes `command` run as this account.
    pub(super) fn apply_to(&self, command: &mut Command) {
        if self.switched {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Makes this account the owner of `path` itself. Does nothing when it is ours anyway.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        if !self.switched {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
            .while_doing("changing the owner of", path)
    }

    fn take_over(&self, path: &Path) -> Result<(), EmbeddedError> {
        self.give(path)?;
        let is_folder = path.symlink_metadata().while_doing("looking at", path)?.is_dir();
        if !is_folder {
            return Ok(());
        }
        for entry in std::fs::read_dir(path).while_doing("reading", path)? {
            self.take_over(&entry.while_doing("reading", path)?.path())?;
        }
        Ok(())
    }

    /// The first folder on the way to `path` (itself included) that this account may not enter.
    ///
    /// Judged by owner, group and mode, the way the kernel does for a process without supplementary groups;
    /// access control lists are not looked at.
    pub(super) fn first_closed_folder(&self, path: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
        if !self.switched {
            return Ok(None);
        }
        let path = path.canonicalize().while_doing("resolving", path)?;
        let from_root_down: Vec<&Path> = path.ancestors().collect();
        for folder in from_root_down.into_iter().rev() {
            let metadata = std::fs::metadata(folder).while_doing("looking at", folder)?;
            if metadata.is_dir() && !self.may_enter(metadata.uid(), metadata.gid(), metadata.mode()) {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }

    fn may_enter(&self, owner: u32, group: u32, mode: u32) -> bool {
        let needed = match () {
            () if owner == self.uid => 0o100,
            () if group == self.gid => 0o010,
            () => 0o001,
        };
        mode & needed != 0
    }
}

fn name_of(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("with id {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entering_a_folder_is_judged_by_the_first_class_that_matches() {
        let account = ServerAccount { uid: 5, gid: 50, name: "five".into(), switched: true };
        let cases = [
            (5, 1, 0o700, true),
            (5, 1, 0o011, false),
            (1, 50, 0o710, true),
            (1, 50, 0o701, false),
            (1, 1, 0o701, true),
            (1, 1, 0o750, false),
        ];
        for (owner, group, mode, expected) in cases {
            assert_eq!(account.may_enter(owner, group, mode), expected, "{owner}:{group} {mode:o}");
        }
    }
}
