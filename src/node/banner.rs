//! What a start tells the person at the terminal: where everything is, and the first password.

use std::io::Write;

use secrecy::{ExposeSecret, SecretString};

use super::Addresses;
use crate::config::Config;

/// Prints addresses and, on the first start, the password.
pub(super) fn print(config: &Config, addresses: &Addresses, first_password: Option<&SecretString>) {
    let mut text = String::from("\nGovConnect is running.\n\n");
    for (name, note) in [
        ("simulator", "phone page: write as a citizen"),
        ("dashboard", "web application for officers"),
        ("channel", "webhook and internal API (/docs/)"),
        ("ai", "internal API (/docs/)"),
        ("case", "internal API (/docs/)"),
        ("notification", "internal API (/docs/)"),
    ] {
        if let Some(address) = addresses.get(name) {
            // 127.0.0.1 is what a browser on this machine calls localhost.
            let url = format!("http://{address}").replace("127.0.0.1", "localhost");
            text.push_str(&format!("  {name:<13} {url:<24} {note}\n"));
        }
    }
    text.push('\n');
    match first_password {
        Some(password) => text.push_str(&format!(
            "  First sign-in: user admin, password {} (to be changed at once)\n",
            password.expose_secret()
        )),
        None => text
            .push_str("  Sign in as before; a forgotten password: govconnect admin reset-password admin\n"),
    }
    text.push_str(&format!("  Data: {}\n  Stop: Ctrl-C\n\n", config.data_dir.display()));
    let mut output = std::io::stdout().lock();
    // Nobody reading the terminal is no reason not to serve.
    drop(output.write_all(text.as_bytes()).and_then(|()| output.flush()));
}
