//! Paging: lists go from new to old by (created_at, id), and a cursor is the last row that was seen.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;

/// The place in a list after which the next page begins. Opaque to callers; it stays valid when rows are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: Timestamp,
    pub id: String,
}

/// What was given was not a cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; pass next_cursor of the page before as it was given")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("{}~{}", self.created_at.as_microsecond(), self.id);
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(plain))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let plain = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let plain = String::from_utf8(plain).map_err(|_| InvalidCursor)?;
        let (microseconds, id) = plain.split_once('~').ok_or(InvalidCursor)?;
        let microseconds = microseconds.parse().map_err(|_| InvalidCursor)?;
        let created_at = Timestamp::from_microsecond(microseconds).map_err(|_| InvalidCursor)?;
        let id_is_plain = !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic());
        if id_is_plain { Ok(Cursor { created_at, id: id.to_owned() }) } else { Err(InvalidCursor) }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` rows: the one too many tells that there is more.
    pub fn from_rows(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Page { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_way_through_a_client() {
        let cursor = Cursor {
            created_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            id: "LAP-20260102-003".into(),
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn anything_else_is_refused() {
        let encode = |plain: &str| BASE64_URL_SAFE_NO_PAD.encode(plain);
        for text in [
            "",
            "x",
            "%%%",
            &encode("1"),
            &encode("a~b"),
            &encode("1~"),
            &encode("1~\0"),
            &encode("99999999999999999999~a"),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }

    #[test]
    fn a_page_knows_whether_there_is_more() {
        let cursor = |number: &u32| Cursor { created_at: Timestamp::UNIX_EPOCH, id: number.to_string() };
        assert_eq!(Page::from_rows(vec![1, 2, 3], 2, cursor).next.map(|next| next.id).as_deref(), Some("2"));
        assert_eq!(Page::from_rows(vec![1, 2], 2, cursor).next, None);
        assert_eq!(Page::<u32>::from_rows(vec![], 2, cursor).next, None);
    }
}
