//! `govconnect health`, by which a container is judged.

use std::process::Output;

use crate::support::nodes::Shape;
use crate::support::office::Office;

async fn health(office: &Office, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["health"], arguments].concat();
    let Output { status, stdout, stderr } = office.command(&arguments).output().await.unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test]
async fn a_node_is_healthy_while_all_its_services_are_ready() {
    let mut office = Office::open_as(Shape::OneProcess, &[]).await;
    let (code, told) = health(&office, &[]).await;
    assert_eq!((code, told.matches("ok ").count()), (Some(0), 5), "{told}");
    assert!(told.contains("/ready"), "{told}");
    let (code, told) = health(&office, &["--service", "case", "--alive"]).await;
    assert_eq!((code, told.lines().count()), (Some(0), 1), "{told}");
    assert!(told.contains(&office.url("case", "/health")), "{told}");
    let (code, told) = health(&office, &["--service", "post"]).await;
    assert!(code == Some(2) && told.contains("notification"), "{told}");

    office.kill().await;
    let (code, told) = health(&office, &[]).await;
    assert_eq!((code, told.matches("FAIL").count()), (Some(1), 5), "{told}");
    office.close().await;
}

#[tokio::test]
async fn a_node_that_never_came_up_is_not_healthy() {
    let office = Office::closed(&[]).await;
    let (code, told) = health(&office, &[]).await;
    assert!(code == Some(1) && told.contains("is the node up?"), "{told}");
}
