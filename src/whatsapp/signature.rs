//! `X-Hub-Signature-256: sha256=<64 hex>`, the HMAC-SHA256 of the raw body with the app secret.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// Checks signatures with one app secret.
#[derive(Clone)]
pub struct Verifier {
    key: hmac::Key,
}

impl Verifier {
    /// From the app secret of the settings.
    pub fn new(app_secret: &SecretString) -> Self {
        Verifier { key: hmac::Key::new(hmac::HMAC_SHA256, app_secret.expose_secret().as_bytes()) }
    }

    /// Whether `header` signs exactly these bytes. The comparison takes constant time.
    pub fn accepts(&self, body: &[u8], header: &str) -> bool {
        header
            .strip_prefix("sha256=")
            .and_then(|digits| hex::decode(digits).ok())
            .is_some_and(|tag| hmac::verify(&self.key, body, &tag).is_ok())
    }

    /// The header's value for a body; for whoever plays Meta.
    pub fn sign(&self, body: &[u8]) -> String {
        format!("sha256={}", hex::encode(hmac::sign(&self.key, body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_over_the_same_bytes_is_accepted() {
        let verifier = Verifier::new(&"secret".into());
        let body = br#"{"object":"whatsapp_business_account"}"#;
        let good = verifier.sign(body);
        assert!(verifier.accepts(body, &good));
        // RFC 4231 test case 2: key "Jefe".
        let known = Verifier::new(&"Jefe".into());
        let header = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(known.accepts(b"what do ya want for nothing?", header));
        for bad in ["", "sha256=", "sha256=zz", "sha1=abc", &good[7..], &good[..70], &format!("{good}00")] {
            assert!(!verifier.accepts(body, bad), "{bad}");
        }
        assert!(!verifier.accepts(b"{}", &good));
        assert!(!Verifier::new(&"other".into()).accepts(body, &good));
    }
}
