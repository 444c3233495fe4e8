//! The committed OpenAPI documents are what the handlers say today.

use std::path::Path;

use govconnect::http::listener::Service;

fn services() -> Vec<Service> {
    vec![govconnect::http::dashboard::description()]
}

/// With `GOVCONNECT_WRITE_OPENAPI=1` it writes them instead.
#[test]
fn the_committed_documents_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi");
    for service in services() {
        let path = folder.join(format!("{}.json", service.name));
        let current = govconnect::openapi_command::document(&service).unwrap();
        if std::env::var_os("GOVCONNECT_WRITE_OPENAPI").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, current).unwrap();
            continue;
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == current,
            "docs/openapi/{0}.json is stale; run `govconnect openapi {0} > docs/openapi/{0}.json`",
            service.name
        );
    }
}
