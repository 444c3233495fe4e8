//! The regular expressions of the builtin, compiled once.

use std::sync::LazyLock;

use regex::Regex;

/// `RT 03 RW 05`, `rt03/rw05`, `RT 3/5`.
pub static RT_RW: LazyLock<Regex> = LazyLock::new(|| {
    constant(r"(?i)\brt\s*[.:]?\s*(?P<rt>\d{1,3})\s*(?:[,/-]?\s*rw\s*[.:]?\s*|/\s*)(?P<rw>\d{1,3})\b")
});

/// `RT 03 RW 05`, `RT 3`, `RW 04`: all of it that stands together.
pub static AREA_NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?i)\brt\s*[.:]?\s*\d{1,3}\s*(?:[,/-]?\s*rw\s*[.:]?\s*|/\s*)\d{1,3}\b|\br[tw]\s*[.:]?\s*\d{1,3}\b",
    )
});

/// `LAP-20260102-003`, with any separators or none between the parts.
pub static LAP_ID: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?i)\blap[\s\-_/.]*(?P<day>20\d{6})[\s\-_/.]*(?P<number>\d{3,6})\b"));

/// "Saya mau lapor", "ingin melaporkan bahwa", "I want to report": what comes before the matter itself.
pub static REPORT_PREFACE: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?ix)^(?:\s|[,.:;!-])*
        (?: (?:pak\ lurah|bu\ lurah|pak|bu|bapak|ibu|min|admin|kak|mas|mbak|maaf|permisi|tolong|mohon|izin|ijin|numpang|halo|hai|hallo|selamat|pagi|siang|sore|malam
             |assalamu'?alaikum|ass?alamualaikum|wr|wb|dengan\ ini|begini|jadi\ gini|eh|oh\ ya|oya|btw|sekalian|good\ morning|hello|hi)\b[\s,.:!-]* )*
        (?:
            (?:(?:saya|sy|sya|aku|gue|gw|kami|kita|warga)\s+)?
            (?:(?:ini|ada|mau|mo|ingin|pengen|pengin|hendak|bermaksud|untuk|izin|ijin|boleh|bisa|minta)\s+){0,3}
            (?:tolong\s+)?
            (?:me)?(?:nge)?(?:lapor(?:kan|in)?|ngadu(?:kan|in)?|mengadu(?:kan)?|komplain|komplen|menyampaikan\ (?:keluhan|laporan|aduan)|lapor\ (?:pak|bu))\b
            (?:\s+(?:pak|bu|bapak|ibu|min|kak))?
            (?:[\s,:.-]+(?:bahwa|kalau|kalo|klo|soal|tentang|mengenai|adanya|terkait|perihal|masalah|nih|ya|dong)\b){0,2}
          | i\s+(?:want|would\ like|need|d\ like)\s+to\s+(?:report|complain\ about)(?:\s+(?:that|about))?\b
          | (?:laporan|aduan|keluhan|pengaduan)\s*:
        )?[\s,.:;!-]*",
    )
});

/// "… mau melaporkan": where somebody who introduced themselves first comes to the matter.
pub static REPORT_VERB: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?ix)\b(?:mau|mo|ingin|hendak|izin|ijin|bermaksud|pengen|akan)\s+(?:me)?(?:nge)?lapor(?:kan|in)?\b
        (?:\s+(?:bahwa|kalau|soal|tentang|mengenai|adanya)\b)?[\s,:-]*",
    )
});

/// Thanks and pleas that close a message.
pub static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?ix)(?:[\s,.!-]+
        (?: (?:mohon|tolong|harap|minta)\s+(?:segera\s+)?(?:di)?(?:bantu|tindak\s?lanjuti|proses|respon|cek)(?:annya)?
          | terima\s?kasih | makasih | trims | mksh | thx | thanks | thank\ you | suwun | nuhun | tks )
        (?:\s+(?:ya|banyak|sebelumnya|pak|bu|min|kak|you|atas\ perhatiannya|segera|nya))* )+ [\s.!🙏]* $",
    )
});

/// The expressions above are constants of this program: the tests compile each of them.
fn constant(expression: &str) -> Regex {
    #[expect(clippy::unwrap_used, reason = "a constant expression; a test compiles every one")]
    Regex::new(expression).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_compiles() {
        for expression in [&RT_RW, &AREA_NUMBER, &LAP_ID, &REPORT_PREFACE, &REPORT_VERB, &CLOSING] {
            assert!(!expression.as_str().is_empty());
        }
    }
}
