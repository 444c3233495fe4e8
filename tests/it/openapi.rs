//! The committed OpenAPI documents are what the handlers say today.

use std::path::Path;

use govconnect::node::services::descriptions;

#[test]
fn the_committed_documents_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi");
    for service in descriptions() {
        let path = folder.join(format!("{}.json", service.name));
        let current = govconnect::openapi_command::document(&service).unwrap();
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == current, "docs/openapi/{0}.json is stale; run: make openapi", service.name);
    }
}
