//! Excel workbooks: each sheet under its name, each row with the names of its columns.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};

use super::{ExtractError, LARGEST_PART, Sink, broken, docx, tables};
use crate::ai::documents::FileKind;
use crate::ai::documents::protocol::{Block, Unreadable};

/// Cells that a sheet may span. The reader makes room for all of them, filled or not.
const MOST_CELLS: u64 = 10_000_000;

pub fn extract(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    let mut archive = docx::open(bytes, FileKind::Xlsx)?;
    let mut unpacked: u64 = 0;
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).map_err(|_| broken(FileKind::Xlsx))?;
        unpacked = unpacked.saturating_add(part.size());
    }
    // What a part claims may be a lie; then the limits of this process end it.
    if unpacked > LARGEST_PART {
        return Err(Unreadable::TooLarge.into());
    }
    let mut workbook: Xlsx<_> =
        open_workbook_from_rs(Cursor::new(bytes)).map_err(|_| broken(FileKind::Xlsx))?;
    let names = workbook.sheet_names();
    let total = u32::try_from(names.len()).unwrap_or(u32::MAX);
    for (done, name) in (1_u32..).zip(names) {
        // What a sheet claims to span is looked at before room is made for it.
        let claimed = workbook.worksheet_cells_reader(&name).map(|cells| cells.dimensions());
        if let Ok(span) = claimed {
            let cells = u64::from(span.end.0.saturating_sub(span.start.0))
                .saturating_mul(u64::from(span.end.1.saturating_sub(span.start.1)));
            if cells > MOST_CELLS {
                return Err(Unreadable::TooLarge.into());
            }
        }
        // A sheet of charts or macros has no cells.
        if let Ok(range) = workbook.worksheet_range(&name) {
            let rows = range.rows().map(|row| row.iter().map(shown).collect()).collect();
            let rows = tables::rows(rows, true);
            if !rows.is_empty() {
                sink.block(Block { page: None, heading_level: Some(1), text: name })?;
            }
            for text in rows {
                sink.block(Block { text, ..Block::default() })?;
            }
        }
        sink.progress(done, total)?;
    }
    Ok(())
}

/// A cell as a person sees it, nearly: formats of numbers are not applied, dates are.
fn shown(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(),
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, hour, minute, _, _) = date.to_ymd_hms_milli();
            match (hour, minute) {
                (0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}.{minute:02}"),
            }
        }
        other => other.to_string(),
    }
}
