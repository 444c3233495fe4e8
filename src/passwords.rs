//! Passwords of officers: argon2id hashes, checked off the async threads and a few at a time.
//!
//! Never logs or returns a password. Checking a name that does not exist costs the same work as one that does.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Shortest password an officer may choose.
pub const SHORTEST: usize = 12;
/// Longest one, in characters; beyond it hashing would only burn time.
pub const LONGEST: usize = 128;

/// Memory in KiB and passes: OWASP's first recommendation for argon2id with one lane (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes computed at once; each holds a core for some 30 ms.
const AT_ONCE: usize = 2;
/// How long a sign-in may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many at once.
    #[error("too many passwords are being checked")]
    Busy,
    /// The stored hash is not one, or the work was cut off.
    #[error("the password could not be processed: {0}")]
    Failed(String),
}

/// What is wrong with a password that somebody chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("must have at least {SHORTEST} characters")]
    TooShort,
    #[error("must have at most {LONGEST} characters")]
    TooLong,
    #[error("must not contain the user name")]
    ContainsUsername,
    #[error("must not be one character or a short run repeated")]
    Monotonous,
    #[error("must differ from the present one")]
    Unchanged,
}

/// Checks a chosen password by length and by what would be guessed first. No rules about kinds of characters: they make
/// passwords worse (NIST SP 800-63B §3.1.1).
pub fn check_choice(chosen: &SecretString, username: &str, present: &SecretString) -> Result<(), Weakness> {
    let text = chosen.expose_secret();
    let length = text.chars().count();
    if length < SHORTEST {
        return Err(Weakness::TooShort);
    }
    if length > LONGEST {
        return Err(Weakness::TooLong);
    }
    if text == present.expose_secret() {
        return Err(Weakness::Unchanged);
    }
    if text.to_lowercase().contains(username) {
        return Err(Weakness::ContainsUsername);
    }
    let distinct: std::collections::HashSet<char> = text.chars().collect();
    if distinct.len() < 5 {
        return Err(Weakness::Monotonous);
    }
    Ok(())
}

/// A password for somebody else to begin with: 16 letters and digits that cannot be mistaken for each other (93 bits).
pub fn generate() -> SecretString {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut random = rand::rng();
    let password: String =
        (0..16).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
    password.into()
}

/// Hashes into a PHC string.
pub async fn hash(password: &SecretString) -> Result<String, PasswordError> {
    let password = password.clone();
    in_turn(move || {
        hasher()?
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash: PasswordHash| hash.to_string())
            .map_err(|error| PasswordError::Failed(error.to_string()))
    })
    .await
}

/// Whether the password is the one behind `stored`. `None` (no such account) does the same work and is never right.
pub async fn verify(password: &SecretString, stored: Option<&str>) -> Result<bool, PasswordError> {
    let password = password.clone();
    let known = stored.is_some();
    let stored = match stored {
        Some(stored) => stored.to_owned(),
        None => {
            NOBODYS_HASH.clone().ok_or_else(|| PasswordError::Failed("no hash to compare with".into()))?
        }
    };
    in_turn(move || {
        let hash = PasswordHash::new(&stored).map_err(|error| PasswordError::Failed(error.to_string()))?;
        match hasher()?.verify_password(password.expose_secret().as_bytes(), &hash) {
            Ok(()) => Ok(known),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(PasswordError::Failed(error.to_string())),
        }
    })
    .await
}

/// The hash of a password that nobody knows, with the parameters of real ones.
static NOBODYS_HASH: LazyLock<Option<String>> = LazyLock::new(|| {
    let password = generate();
    let hash: PasswordHash = hasher().ok()?.hash_password(password.expose_secret().as_bytes()).ok()?;
    Some(hash.to_string())
});

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Runs the work on a blocking thread when it is its turn.
async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordError> {
    let turn = timeout(PATIENCE, TURNS.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Err(PasswordError::Busy) };
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also when the caller has gone away meanwhile.
        let _turn = turn;
        work()
    })
    .await
    .map_err(|error| PasswordError::Failed(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_is_right() {
        let password = SecretString::from("jalan melati lima belas");
        let stored = hash(&password).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&password, Some(&stored)).await.unwrap());
        assert!(!verify(&"jalan melati enam belas".into(), Some(&stored)).await.unwrap());
        assert!(!verify(&password, None).await.unwrap());
        assert!(verify(&password, Some("not a hash")).await.is_err());
    }

    #[test]
    fn weak_choices_are_named() {
        let present = SecretString::from("the present password");
        for (chosen, verdict) in [
            ("short", Err(Weakness::TooShort)),
            ("the present password", Err(Weakness::Unchanged)),
            ("xxSitiRahayu2026", Err(Weakness::ContainsUsername)),
            ("ababababababab", Err(Weakness::Monotonous)),
            ("sawah hijau di kaki gunung", Ok(())),
        ] {
            assert_eq!(check_choice(&chosen.into(), "sitirahayu", &present), verdict, "{chosen}");
        }
        assert_eq!(check_choice(&"é".repeat(129).into(), "a", &present), Err(Weakness::TooLong));
    }

    #[test]
    fn generated_passwords_are_long_enough_and_differ() {
        let (one, other) = (generate(), generate());
        assert!(one.expose_secret().len() >= SHORTEST);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
