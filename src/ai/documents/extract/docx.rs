//! Word documents (ECMA-376): paragraphs with the level of their style, rows of tables, pages where Word noted them.

use std::collections::HashMap;
use std::io::{BufReader, Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::{ExtractError, LARGEST_PART, Sink, broken, tables};
use crate::ai::documents::FileKind;
use crate::ai::documents::protocol::{Block, Unreadable};

/// Compound files begin so: among Office's formats, those that are locked with a password.
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Opens the package that a modern Office file is.
pub(super) fn open(bytes: &[u8], kind: FileKind) -> Result<Archive<'_>, Unreadable> {
    if bytes.starts_with(COMPOUND_FILE) {
        return Err(Unreadable::Encrypted);
    }
    ZipArchive::new(Cursor::new(bytes)).map_err(|_| broken(kind))
}

pub fn extract(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    let mut archive = open(bytes, FileKind::Docx)?;
    let levels = match part(&mut archive, "word/styles.xml") {
        Ok(styles) => heading_levels(styles)?,
        Err(_) => HashMap::new(),
    };
    let body = part(&mut archive, "word/document.xml")?;
    Walk { levels, ..Walk::default() }.run(body, sink)
}

/// A part of the package, bounded: what unpacks to more is an error of reading.
fn part<'a, 'b>(archive: &'a mut Archive<'b>, name: &str) -> Result<impl Read + use<'a, 'b>, Unreadable> {
    let file = archive.by_name(name).map_err(|_| broken(FileKind::Docx))?;
    Ok(Bounded { left: LARGEST_PART, inner: file })
}

/// Reads no more than so many bytes, and says so instead of ending quietly.
struct Bounded<R> {
    left: u64,
    inner: R,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn why(error: &quick_xml::Error) -> Unreadable {
    match error {
        quick_xml::Error::Io(io) if io.kind() == std::io::ErrorKind::FileTooLarge => Unreadable::TooLarge,
        _ => broken(FileKind::Docx),
    }
}

/// Which styles are headings, by id: their outline level, or what their (never translated) name says.
fn heading_levels(styles: impl Read) -> Result<HashMap<String, u8>, Unreadable> {
    let mut reader = Reader::from_reader(BufReader::new(styles));
    let (mut levels, mut buffer, mut style) = (HashMap::new(), Vec::new(), None::<String>);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|error| why(&error))? {
            Event::Eof => return Ok(levels),
            Event::Start(tag) | Event::Empty(tag) => match (tag.local_name().as_ref(), &style) {
                (b"style", _) => style = attribute(&tag, b"styleId"),
                (b"name", Some(id)) => {
                    let name = attribute(&tag, b"val").unwrap_or_default().to_lowercase();
                    let level = match name.strip_prefix("heading ") {
                        Some(level) => level.trim().parse().ok(),
                        None => (name == "title").then_some(1),
                    };
                    if let Some(level) = level {
                        levels.insert(id.clone(), level);
                    }
                }
                (b"outlineLvl", Some(id)) => {
                    if let Some(level) = outline_level(&tag) {
                        levels.insert(id.clone(), level);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// 0 to 8 are headings, 9 is text.
fn outline_level(tag: &BytesStart<'_>) -> Option<u8> {
    let level: u8 = attribute(tag, b"val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let found =
        tag.attributes().with_checks(false).flatten().find(|it| it.key.local_name().as_ref() == name)?;
    String::from_utf8(found.value.into_owned()).ok()
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    has_header: bool,
}

/// The way through a document.
#[derive(Default)]
struct Walk {
    levels: HashMap<String, u8>,
    paragraph: String,
    level: Option<u8>,
    tables: Vec<Table>,
    blocks: Vec<Block>,
    /// Breaks so far, as Word noted them.
    breaks: u32,
    /// A break by hand was just seen: the one that Word noted when it laid out the page is the same.
    just_broken: bool,
    /// Inside of what repeats for old programs what was said already.
    fallback: u32,
    in_text: bool,
}

impl Walk {
    fn run(mut self, body: impl Read, sink: &mut dyn Sink) -> Result<(), ExtractError> {
        let mut reader = Reader::from_reader(BufReader::new(body));
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(|error| why(&error))? {
                Event::Eof => break,
                Event::Start(tag) => self.start(&tag),
                Event::Empty(tag) => {
                    self.start(&tag);
                    self.end(tag.local_name().as_ref());
                }
                Event::End(tag) => self.end(tag.local_name().as_ref()),
                Event::Text(text) if self.in_text && self.fallback == 0 => {
                    let text = text.decode().map_err(|_| broken(FileKind::Docx))?;
                    self.paragraph.push_str(&text);
                    self.just_broken = false;
                }
                Event::GeneralRef(name) if self.in_text && self.fallback == 0 => {
                    self.paragraph.push_str(&character(&name));
                }
                _ => {}
            }
        }
        let pages_known = self.breaks > 0;
        for block in self.blocks {
            sink.block(Block { page: block.page.filter(|_| pages_known), ..block })?;
        }
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>) {
        match tag.local_name().as_ref() {
            b"Fallback" => self.fallback += 1,
            b"t" => self.in_text = true,
            b"p" => self.level = None,
            b"pStyle" => {
                let style = attribute(tag, b"val").unwrap_or_default();
                self.level = self.levels.get(&style).copied();
            }
            b"outlineLvl" => self.level = outline_level(tag),
            b"tab" => self.paragraph.push(' '),
            b"br" | b"cr" => {
                self.paragraph.push('\n');
                if attribute(tag, b"type").as_deref() == Some("page") {
                    self.breaks += 1;
                    self.just_broken = true;
                }
            }
            b"lastRenderedPageBreak" => {
                self.breaks += u32::from(!std::mem::take(&mut self.just_broken));
            }
            b"tbl" => self.tables.push(Table::default()),
            b"tblHeader" => {
                if let Some(table) = self.tables.last_mut() {
                    table.has_header |= table.rows.len() == 1;
                }
            }
            b"tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            b"tc" => {
                if let Some(row) = self.tables.last_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"Fallback" => self.fallback = self.fallback.saturating_sub(1),
            b"t" => self.in_text = false,
            b"p" => {
                let text = std::mem::take(&mut self.paragraph);
                let heading_level = self.level.take();
                self.say(text, heading_level);
            }
            b"tbl" => {
                let Some(table) = self.tables.pop() else { return };
                for row in tables::rows(table.rows, table.has_header) {
                    self.say(row, None);
                }
            }
            _ => {}
        }
    }

    /// Into the cell that is open, or out.
    fn say(&mut self, text: String, heading_level: Option<u8>) {
        if let Some(table) = self.tables.last_mut() {
            if let Some(cell) = table.rows.last_mut().and_then(|row| row.last_mut()) {
                cell.push_str(&text);
                cell.push('\n');
            }
        } else if !text.trim().is_empty() {
            self.blocks.push(Block { page: Some(self.breaks + 1), heading_level, text });
        }
    }
}

/// `&amp;` and its like.
fn character(name: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = name.resolve_char_ref() {
        return character.to_string();
    }
    let name = name.decode().unwrap_or_default();
    quick_xml::escape::resolve_predefined_entity(&name).unwrap_or_default().to_owned()
}
