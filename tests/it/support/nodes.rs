//! The nodes of an office: one with everything, several whole ones, or a process for each service. Each is a process with a
//! folder of its own; several share a database, a virtual host of the broker and the folder of media, and requests reach them
//! through a [`Front`] for each service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::broker::TestBroker;
use super::front::Front;
use super::node_process::NodeProcess;

/// Services and the settings that tell where they are; nobody calls the dashboard.
const SERVICES: [(&str, Option<&str>); 5] = [
    ("channel", Some("SERVICES__CHANNEL_URL")),
    ("ai", Some("SERVICES__AI_URL")),
    ("case", Some("SERVICES__CASE_URL")),
    ("notification", Some("SERVICES__NOTIFICATION_URL")),
    ("dashboard", None),
];

/// What an office is run as.
#[derive(Clone, Debug)]
pub enum Shape {
    /// One process with all services, without a broker.
    OneProcess,
    /// A process for each service, or so many.
    Split { of_each: usize },
    /// So many processes with all services.
    Whole { nodes: usize },
    /// A process for each of these sets of services, named with commas.
    Roles(Vec<String>),
}

impl Shape {
    /// What `TEST_SHAPE` says: `split`, `split-twice` or `three-nodes`; without it one process. So the stories that are told of
    /// one process can be told of many.
    pub fn from_environment() -> Self {
        match std::env::var("TEST_SHAPE").as_deref() {
            Err(_) => Shape::OneProcess,
            Ok("split") => Shape::Split { of_each: 1 },
            Ok("split-twice") => Shape::Split { of_each: 2 },
            Ok("three-nodes") => Shape::Whole { nodes: 3 },
            Ok(other) => panic!("TEST_SHAPE is {other:?}, not split, split-twice or three-nodes"),
        }
    }

    /// The roles of each process.
    fn roles(&self) -> Vec<String> {
        let all = || SERVICES.map(|(name, _)| name).join(",");
        match self {
            Shape::OneProcess => vec![all()],
            Shape::Whole { nodes } => (0..*nodes).map(|_| all()).collect(),
            Shape::Split { of_each } => {
                (0..*of_each).flat_map(|_| SERVICES.map(|(name, _)| name.to_owned())).collect()
            }
            Shape::Roles(roles) => roles.clone(),
        }
    }
}

struct Node {
    // Dropped first: a failing test shows its log, which is in `folder`.
    process: Option<NodeProcess>,
    roles: String,
    folder: TempDir,
    addresses: BTreeMap<String, SocketAddr>,
    /// Settings of this node alone.
    settings: BTreeMap<String, String>,
}

impl Node {
    fn new(roles: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Node { process: None, roles, folder, addresses: BTreeMap::new(), settings: BTreeMap::new() }
    }

    fn has(&self, service: &str) -> bool {
        self.roles.split(',').any(|role| role == service)
    }
}

/// What several nodes have between them.
struct Between {
    fronts: BTreeMap<&'static str, Front>,
    broker: TestBroker,
    /// `media` of every node's folder leads here.
    media: TempDir,
}

pub struct Nodes {
    nodes: Vec<Node>,
    between: Option<Between>,
}

impl Nodes {
    /// None of them is running yet.
    pub async fn new(shape: &Shape) -> Self {
        match shape {
            Shape::OneProcess => Self::with(shape, None),
            _ => Self::on(shape, TestBroker::create().await),
        }
    }

    /// Several nodes on a given broker.
    pub fn on(shape: &Shape, broker: TestBroker) -> Self {
        let fronts = SERVICES.iter().map(|(name, _)| (*name, Front::start())).collect();
        Self::with(shape, Some(Between { fronts, broker, media: tempfile::tempdir().expect("a folder") }))
    }

    fn with(shape: &Shape, between: Option<Between>) -> Self {
        let mut nodes = Nodes { nodes: Vec::new(), between };
        for roles in shape.roles() {
            nodes.add(roles);
        }
        nodes
    }

    /// One more; it is not started. Tells its number.
    pub fn add(&mut self, roles: String) -> usize {
        let node = Node::new(roles);
        if let Some(between) = &self.between {
            let media = node.folder.path().join("media");
            std::os::unix::fs::symlink(between.media.path(), media).expect("a link to the shared folder");
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// What all of them must be told to be one system, as `("BROKER__URL", "amqp://…")`; nothing for one process.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Some(between) = &self.between else { return Vec::new() };
        let broker = between.broker.url().expose_secret().to_owned();
        let mut settings = vec![("BROKER__URL", broker), ("MEDIA__SHARED", "true".to_owned())];
        for (name, key) in SERVICES {
            settings.extend(key.map(|key| (key, between.fronts[name].url(""))));
        }
        settings
    }

    /// The broker that several nodes share.
    pub fn broker(&self) -> &TestBroker {
        &self.between.as_ref().expect("several nodes").broker
    }

    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Numbers of the nodes that run a service.
    pub fn with_role(&self, service: &str) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].has(service)).collect()
    }

    /// Changes a setting of one node for its next start, such as its way to the database.
    pub fn set(&mut self, number: usize, key: &str, value: &str) {
        self.nodes[number].settings.insert(format!("GOVCONNECT_{key}"), value.to_owned());
    }

    /// The whole environment of a node: what all are told, its roles, its folder and what it alone is told.
    pub fn environment(&self, number: usize, settings: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let node = &self.nodes[number];
        let mut all = settings.clone();
        all.insert("GOVCONNECT_DATA_DIR".into(), node.folder.path().to_str().expect("UTF-8").into());
        all.insert("GOVCONNECT_ROLES".into(), node.roles.clone());
        all.extend(node.settings.clone());
        all.into_iter().collect()
    }

    /// Starts the process of a node; it is not yet up.
    pub fn spawn(&mut self, number: usize, settings: &BTreeMap<String, String>) {
        let environment = self.environment(number, settings);
        let (folder, log) = (self.folder(number).to_owned(), self.log_path(number));
        let node = &mut self.nodes[number];
        assert!(node.process.is_none(), "node {number} runs already");
        node.process = Some(NodeProcess::spawn(&folder, &log, &environment));
    }

    /// Waits until a node listens, and has the fronts know it.
    pub async fn up(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.addresses = node.process.as_mut().expect("a started node").up().await;
        self.tell_fronts().await;
    }

    /// Starts all that do not run, at once; returns when they listen.
    pub async fn start(&mut self, settings: &BTreeMap<String, String>) {
        let stopped: Vec<usize> =
            (0..self.nodes.len()).filter(|number| self.nodes[*number].process.is_none()).collect();
        assert!(!stopped.is_empty(), "the nodes run already");
        for number in &stopped {
            self.spawn(*number, settings);
        }
        for number in stopped {
            self.up(number).await;
        }
    }

    /// Who runs what, as after a change of address.
    async fn tell_fronts(&self) {
        let Some(between) = &self.between else { return };
        for (name, front) in &between.fronts {
            let running = self.nodes.iter().filter(|node| node.process.is_some());
            front.set_backends(running.filter_map(|node| node.addresses.get(*name).copied())).await;
        }
    }

    /// SIGKILL to one.
    pub async fn kill(&mut self, number: usize) {
        self.nodes[number].process.take().expect("a node to kill").kill().await;
    }

    /// SIGKILL to all that run.
    pub async fn kill_all(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = node.process.take() {
                process.kill().await;
            }
        }
    }

    /// SIGTERM to one; tells how it ended and how long it took.
    pub async fn terminate(&mut self, number: usize) -> (ExitStatus, Duration) {
        self.nodes[number].process.take().expect("a node to stop").terminate().await
    }

    /// SIGTERM to all that run, one after the other; tells how the last that failed ended, and how long the slowest took.
    pub async fn terminate_all(&mut self) -> (ExitStatus, Duration) {
        let mut worst: Option<(ExitStatus, Duration)> = None;
        for node in &mut self.nodes {
            let Some(process) = node.process.take() else { continue };
            let (status, took) = process.terminate().await;
            worst = match worst {
                Some((before, longest)) => {
                    Some((if status.success() { before } else { status }, longest.max(took)))
                }
                None => Some((status, took)),
            };
        }
        worst.expect("a node to stop")
    }

    /// Waits for the only node to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let [node] = &mut self.nodes[..] else { panic!("several nodes: say which is to end") };
        node.process.take().expect("a running node").ended().await
    }

    /// A running node's process: to signal it, or to read its log.
    pub fn process(&self, number: usize) -> &NodeProcess {
        self.nodes[number].process.as_ref().expect("a running node")
    }

    pub fn folder(&self, number: usize) -> &Path {
        self.nodes[number].folder.path()
    }

    pub fn log_path(&self, number: usize) -> PathBuf {
        self.folder(number).join("node.log")
    }

    /// A service as everybody reaches it: the one node's listener, or the front of all.
    pub fn url(&self, service: &str, path: &str) -> String {
        match &self.between {
            Some(between) => between.fronts[service].url(path),
            None => self.url_at(0, service, path),
        }
    }

    /// A service of one node.
    pub fn url_at(&self, number: usize, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.nodes[number].addresses[service])
    }
}
