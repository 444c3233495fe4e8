//! What the reading process tells the node, a JSON line each, and why a document cannot be read.

use serde::{Deserialize, Serialize};

/// A piece of a document in reading order: a heading, a paragraph, or a row of a table with its column names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Counted from 1; absent where a kind of document has no pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// 1 is the outermost; absent for what is no heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading_level: Option<u8>,
    pub text: String,
}

/// One line of the reading process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Block(Block),
    /// How far it is.
    Progress {
        done: u32,
        total: u32,
    },
    /// It cannot go on; the last line.
    Failed(Unreadable),
    /// Everything was read; the last line. Without it the output was cut.
    End,
}

/// Why a document gives no passages. Its text is what an officer reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    #[error("dokumen dikunci dengan kata sandi; unggah salinan tanpa kata sandi")]
    Encrypted,
    #[error(
        "tidak ada teks yang dapat dibaca di {pages} halaman; dokumen ini tampaknya hasil pindaian (gambar), unggah \
         versi yang teksnya dapat disalin"
    )]
    Scanned { pages: u32 },
    #[error("tidak ada teks di dalam dokumen")]
    Empty,
    #[error("isi berkas bukan {expected}, atau berkas rusak")]
    Broken { expected: String },
    #[error("dokumen memiliki {pages} halaman, paling banyak {most}")]
    TooManyPages { pages: u32, most: u32 },
    #[error("isi dokumen terlalu besar untuk dibaca")]
    TooLarge,
    #[error("dokumen terlalu lama dibaca dan dihentikan")]
    TooSlow,
    #[error("dokumen tidak dapat dibaca: pembacanya berhenti karena isi yang rusak atau terlalu besar")]
    Crashed,
    #[error("dokumen gagal diproses {times} kali dan tidak dicoba lagi")]
    GaveUp { times: i32 },
}
