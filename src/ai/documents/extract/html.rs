//! Web pages: what a person reads of them, with the levels of headings and rows of tables.

use scraper::Html;
use scraper::node::{Element, Node};

use super::{ExtractError, Sink, in_one_line, plain, tables};
use crate::ai::documents::protocol::Block;

/// Elements of which nothing is read.
const SILENT: [&str; 11] = [
    "head", "script", "style", "noscript", "template", "svg", "nav", "iframe", "select", "button", "textarea",
];
/// Elements within a line of text; all others end a paragraph.
const INLINE: [&str; 26] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "time", "u",
];

pub fn extract(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    let page = Html::parse_document(&plain::decoded(bytes));
    let mut reading = Reading::default();
    // Step by step and not by recursion: pages may be nested as deeply as they like.
    for edge in page.tree.root().traverse() {
        match edge {
            ego_tree::iter::Edge::Open(node) => match node.value() {
                Node::Element(element) => reading.open(element, sink)?,
                Node::Text(text) if reading.silent == 0 => reading.text.push_str(text),
                _ => {}
            },
            ego_tree::iter::Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    reading.close(element, sink)?;
                }
            }
        }
    }
    reading.paragraph(sink)
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    has_header: bool,
}

#[derive(Default)]
struct Reading {
    text: String,
    level: Option<u8>,
    silent: u32,
    tables: Vec<Table>,
}

impl Reading {
    fn open(&mut self, element: &Element, sink: &mut dyn Sink) -> Result<(), ExtractError> {
        let name = element.name();
        if SILENT.contains(&name) {
            self.silent += 1;
        }
        if name == "br" {
            self.text.push(' ');
        }
        if INLINE.contains(&name) || name == "br" {
            return Ok(());
        }
        self.paragraph(sink)?;
        self.level = level(name);
        match name {
            "table" => self.tables.push(Table::default()),
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            "td" | "th" => {
                if let Some(table) = self.tables.last_mut() {
                    let first = table.rows.len() == 1;
                    if let Some(row) = table.rows.last_mut() {
                        // A name at the side of each row is no header.
                        let alone = row.is_empty();
                        table.has_header |= name == "th" && first && !alone;
                        row.push(String::new());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, element: &Element, sink: &mut dyn Sink) -> Result<(), ExtractError> {
        let name = element.name();
        if SILENT.contains(&name) {
            self.silent = self.silent.saturating_sub(1);
        }
        if INLINE.contains(&name) || name == "br" {
            return Ok(());
        }
        self.paragraph(sink)?;
        self.level = None;
        if name == "table"
            && let Some(table) = self.tables.pop()
        {
            for row in tables::rows(table.rows, table.has_header) {
                self.text = row;
                self.paragraph(sink)?;
            }
        }
        Ok(())
    }

    /// Ends a paragraph: into the cell that is open, or out.
    fn paragraph(&mut self, sink: &mut dyn Sink) -> Result<(), ExtractError> {
        let text = in_one_line(&std::mem::take(&mut self.text));
        if text.is_empty() {
            return Ok(());
        }
        match self.tables.last_mut() {
            Some(table) => {
                if let Some(cell) = table.rows.last_mut().and_then(|row| row.last_mut()) {
                    cell.push_str(&text);
                    cell.push('\n');
                } else {
                    // A caption.
                    table.rows.push(vec![text]);
                }
            }
            None => sink.block(Block { page: None, heading_level: self.level, text })?,
        }
        Ok(())
    }
}

fn level(name: &str) -> Option<u8> {
    let level: u8 = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}
