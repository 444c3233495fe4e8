//! A PostgreSQL of one test's own, with full durability, to be killed and started again at the same address.

use govconnect::store::embedded::Durability;
use nix::sys::signal::{Signal, kill};
use tempfile::TempDir;

use crate::embedded::support::{Owner, open_folder, server_processes};

pub struct PrivateServer {
    folder: TempDir,
    owner: Option<Owner>,
    url: String,
}

impl PrivateServer {
    /// A fresh server that answers.
    pub async fn start() -> Self {
        let folder = open_folder().expect("a folder");
        let owner = own(&folder).await;
        let url = owner.url.clone();
        PrivateServer { folder, owner: Some(owner), url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// SIGKILL to every process of the server at once; returns when they are gone.
    pub async fn kill(&mut self) {
        let owner = self.owner.take().expect("a running server");
        for process in server_processes(self.folder.path()).expect("processes can be listed") {
            // One that ended by itself meanwhile is gone just as well.
            let _ = kill(process, Signal::SIGKILL);
        }
        let status = owner.ended().await.expect("the owner can be waited for");
        assert!(!status.success(), "a killed server is an error");
    }

    /// Starts it again; it replays its log first.
    pub async fn start_again(&mut self) {
        assert!(self.owner.is_none(), "the server runs already");
        let owner = own(&self.folder).await;
        assert_eq!(owner.url, self.url, "the same address");
        self.owner = Some(owner);
    }
}

async fn own(folder: &TempDir) -> Owner {
    Owner::spawn_with(folder.path(), Durability::Full).await.expect("the server starts")
}
