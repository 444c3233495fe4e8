//! `docker-compose.yml` without an engine: every node's own command, environment, secrets and health check, as plain processes.
//! Only what a container has otherwise is replaced: addresses, the folders of secrets and data, and who plays Meta.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use serde_norway::Value;
use tempfile::TempDir;

use super::split::a_complaint_goes_its_way;
use crate::support::dashboard::FIRST_PASSWORD;
use crate::support::database::TestDatabase;
use crate::support::nodes::Shape;
use crate::support::office::{APP_SECRET, INTERNAL_KEY, NUMBER, Office, VERIFY_TOKEN, eventually};

/// Where a container finds its secrets.
const SECRETS: &str = "/run/secrets";
/// What the office's own settings hand to Meta's stand-in.
const ACCESS_TOKEN: &str = "an access token for tests";

/// A service of ours as the file describes it.
struct Described {
    name: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    secrets: Vec<String>,
    health: Option<Vec<String>>,
    replicas: usize,
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file)
}

/// All services that run the image, the migration too.
fn described() -> Vec<Described> {
    let mut file: Value = serde_norway::from_str(&repository("docker-compose.yml")).expect("YAML");
    file.apply_merge().expect("anchors");
    let services = file["services"].as_mapping().expect("services");
    let ours = services.iter().filter(|(_, service)| service.get("build").is_some());
    ours.map(|(name, service)| describe(name.as_str().expect("a name"), service)).collect()
}

fn describe(name: &str, service: &Value) -> Described {
    let environment = service["environment"].as_mapping().expect("an environment");
    let health = service["healthcheck"].get("test").map(words);
    Described {
        name: name.to_owned(),
        command: service.get("command").map_or_else(image_command, words),
        environment: environment.iter().map(|(key, value)| (text(key), interpolated(&text(value)))).collect(),
        secrets: words(&service["secrets"]),
        health: health.map(|test| {
            assert_eq!(test[..2], ["CMD", "govconnect"], "{name}: the image has nothing else that could ask");
            test[2..].to_vec()
        }),
        replicas: service["deploy"].get("replicas").map_or(1, |count| count.as_u64().unwrap() as usize),
    }
}

/// What the image runs when it is told nothing.
fn image_command() -> Vec<String> {
    let dockerfile = repository("Dockerfile");
    let line = |instruction: &str| {
        let line = dockerfile.lines().filter_map(|line| line.strip_prefix(instruction)).next_back();
        serde_json::from_str::<Vec<String>>(line.expect(instruction)).expect("a list of words")
    };
    assert_eq!(line("ENTRYPOINT "), ["govconnect"]);
    line("CMD ")
}

fn words(list: &Value) -> Vec<String> {
    list.as_sequence().expect("a list").iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} must be quoted")).to_owned()
}

/// `${NAME:-default}` with what `deploy/env.example` says.
fn interpolated(value: &str) -> String {
    let example = repository("deploy/env.example");
    let Some((before, rest)) = value.split_once("${") else { return value.to_owned() };
    let (variable, after) = rest.split_once('}').expect("a closed brace");
    let (name, default) = variable.split_once(":-").expect("a default");
    let given = example.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    format!("{before}{}{}", given.unwrap_or(default), interpolated(after))
}

/// What `scripts/compose-secrets` makes, with the servers of this test.
async fn secrets(office: &Office) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made =
        tokio::process::Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/compose-secrets"))
            .arg(folder.path())
            .env("WHATSAPP_APP_SECRET", APP_SECRET)
            .env("WHATSAPP_ACCESS_TOKEN", ACCESS_TOKEN)
            .output()
            .await
            .expect("the script runs");
    assert!(made.status.success(), "{made:?}");
    let broker = office.nodes.broker().url();
    for (name, value) in [
        ("database_url", office.database.url().as_str()),
        ("broker_url", broker.expose_secret()),
        ("internal_api_keys", INTERNAL_KEY),
        ("whatsapp_verify_token", VERIFY_TOKEN),
        ("dashboard_first_password", FIRST_PASSWORD),
    ] {
        let path = folder.path().join(name);
        assert!(path.exists(), "{name} is made");
        // Another file in its place: those of the script are read-only.
        std::fs::remove_file(&path).expect("the folder is ours");
        std::fs::write(path, format!("{value}\n")).expect("a secret");
    }
    folder
}

/// Tells a node what its service is told, where a process on this machine finds it.
fn tell(office: &mut Office, number: usize, service: &Described, secrets: &Path) {
    let shared: BTreeMap<&str, String> = office.nodes.settings().into_iter().collect();
    let graph_url = office.simulator_url("");
    for (key, value) in &service.environment {
        let key = key.strip_prefix("GOVCONNECT_").expect("a setting");
        let value = match key {
            _ if key.starts_with("SERVICES__") => shared[key].clone(),
            _ if key.ends_with("__BIND") => {
                assert!(value.starts_with("0.0.0.0:"), "{key}: reached from other containers");
                "127.0.0.1:0".to_owned()
            }
            _ if key.ends_with("_FILE") => {
                let name = value.strip_prefix(&format!("{SECRETS}/")).expect("a secret");
                assert!(service.secrets.contains(&name.to_owned()), "{}: is given {name}", service.name);
                secrets.join(name).to_str().expect("UTF-8").to_owned()
            }
            "WHATSAPP__GRAPH_URL" => {
                assert_eq!(value, "https://graph.facebook.com");
                graph_url.clone()
            }
            "WHATSAPP__PHONE_NUMBER_ID" => NUMBER.to_owned(),
            _ => value.clone(),
        };
        office.nodes.set(number, key, &value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compose_file_describes_a_system_that_works() {
    let services = described();
    let nodes: Vec<&Described> =
        services.iter().flat_map(|service| std::iter::repeat_n(service, service.replicas)).collect();
    let roles = nodes.iter().map(|service| service.environment["GOVCONNECT_ROLES"].clone()).collect();
    let database = TestDatabase::with_connections(4).await;
    let mut office = Office::closed_as(Shape::Roles(roles), database, &[]).await;
    office.forget_settings();
    let secrets = secrets(&office).await;
    for (number, service) in nodes.iter().enumerate() {
        tell(&mut office, number, service, secrets.path());
        let checked = office.command_at(number, &["check-config"]).output().await.expect("the binary runs");
        assert!(checked.status.success(), "{}: {checked:?}", service.name);
    }

    for (number, service) in nodes.iter().enumerate() {
        if service.command == ["serve"] {
            let health = service.health.as_ref().expect("a health check");
            let unborn =
                office.command_at(number, &borrowed(health)).output().await.expect("the binary runs");
            assert_eq!(unborn.status.code(), Some(1), "{} is not healthy before it runs", service.name);
        } else {
            let ended = office.command_at(number, &borrowed(&service.command)).output().await;
            let ended = ended.expect("the binary runs");
            assert!(ended.status.success(), "{}: {ended:?}", service.name);
        }
    }
    let serving: Vec<usize> = (0..nodes.len()).filter(|number| nodes[*number].command == ["serve"]).collect();
    assert_eq!(serving.len(), 7);
    for number in serving {
        office.start_node(number).await;
        let health = nodes[number].health.as_ref().expect("a health check");
        eventually("the node is healthy", async || {
            let asked = office.command_at(number, &borrowed(health)).output().await.expect("the binary runs");
            asked.status.success().then_some(())
        })
        .await;
    }
    office.reachable_by_meta();
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
