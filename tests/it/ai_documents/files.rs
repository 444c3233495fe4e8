//! Small files of each kind, made by hand.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A PDF with a page for each text, its lines below one another.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let font = 3 + pages.len() * 2;
    let kids = (0..pages.len()).map(|page| format!("{} 0 R", 3 + page * 2)).collect::<Vec<_>>().join(" ");
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
    ];
    for (page, text) in pages.iter().enumerate() {
        let content = 4 + page * 2;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R /Resources << /Font << /F1 {font} 0 R >> >> >>"
        ));
        let mut stream = String::new();
        for (line, words) in text.lines().enumerate() {
            let y = 780 - line * 16;
            writeln!(stream, "BT /F1 12 Tf 60 {y} Td ({words}) Tj ET").unwrap();
        }
        objects.push(format!("<< /Length {} >>\nstream\n{stream}endstream", stream.len()));
    }
    objects
        .push("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned());
    assembled(&objects, "")
}

/// A PDF with so many pages.
pub fn pdf_of_pages(count: usize) -> Vec<u8> {
    let kids = (0..count).map(|page| format!("{} 0 R", page + 3)).collect::<Vec<_>>().join(" ");
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>"),
    ];
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>";
    objects.extend((0..count).map(|_| page.to_owned()));
    assembled(&objects, "")
}

/// A PDF whose one page stands so often in its list of pages.
pub fn pdf_that_claims(count: usize) -> Vec<u8> {
    let kids = "3 0 R ".repeat(count);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>"),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>".to_owned(),
    ];
    assembled(&objects, "")
}

/// A PDF that says it is encrypted, by a password that nobody knows.
pub fn locked_pdf() -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>".to_owned(),
        format!(
            "<< /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O <{}> /U <{}> >>",
            "41".repeat(32),
            "42".repeat(32)
        ),
    ];
    assembled(
        &objects,
        "/Encrypt 4 0 R /ID [<00112233445566778899AABBCCDDEEFF> <00112233445566778899AABBCCDDEEFF>]",
    )
}

/// A PDF with one compressed stream that unpacks to so many bytes.
pub fn pdf_bomb(bytes: usize) -> Vec<u8> {
    let mut packed = zip_of(&[("x", &vec![b' '; bytes])]);
    // The deflated bytes of the only member: between its header (30 bytes and the name) and the directory.
    let directory = packed.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    packed.truncate(directory);
    let mut deflated = vec![0x78, 0x9C];
    deflated.extend(&packed[31..]);
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
    ]
    .iter()
    .enumerate()
    {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
    }
    offsets.push(file.len());
    file.extend(format!("4 0 obj\n<< /Length {} /Filter /FlateDecode >>\nstream\n", deflated.len()).bytes());
    file.extend(&deflated);
    file.extend(b"\nendstream\nendobj\n");
    finish(file, &offsets, "")
}

fn assembled(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
    }
    finish(file, &offsets, trailer)
}

fn finish(mut file: Vec<u8>, offsets: &[usize], trailer: &str) -> Vec<u8> {
    let start = file.len();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1);
    for offset in offsets {
        writeln!(table, "{offset:010} 00000 n ").unwrap();
    }
    let size = offsets.len() + 1;
    write!(table, "trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.extend(table.bytes());
    file
}

/// A package with these parts.
pub fn zip_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// A Word document with that body.
pub fn docx(body: &str) -> Vec<u8> {
    let styles = format!(
        r#"<w:styles xmlns:w="{WORD}"><w:style w:styleId="Judul1"><w:name w:val="heading 1"/></w:style></w:styles>"#
    );
    let document = format!(r#"<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>"#);
    zip_of(&[("word/styles.xml", styles.as_bytes()), ("word/document.xml", document.as_bytes())])
}

/// A paragraph of a Word document.
pub fn paragraph(style: &str, text: &str) -> String {
    let style = if style.is_empty() {
        String::new()
    } else {
        format!(r#"<w:pPr><w:pStyle w:val="{style}"/></w:pPr>"#)
    };
    format!("<w:p>{style}<w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// A table of a Word document.
pub fn table(rows: &[&[&str]]) -> String {
    let row = |cells: &&[&str]| {
        let cells: String =
            cells.iter().map(|cell| format!("<w:tc>{}</w:tc>", paragraph("", cell))).collect();
        format!("<w:tr>{cells}</w:tr>")
    };
    format!("<w:tbl>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

/// A workbook with one sheet of these cells (`A1` → text).
pub fn xlsx(sheet: &str, dimension: &str, cells: &[(&str, &str)]) -> Vec<u8> {
    const SHEETS: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const LINKS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let workbook = format!(
        r#"<workbook xmlns="{SHEETS}" xmlns:r="{LINKS}"><sheets><sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let relations = format!(
        r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
    );
    let row_of =
        |place: &str| place.trim_start_matches(|it: char| it.is_ascii_uppercase()).parse::<u32>().unwrap();
    let mut rows: Vec<(u32, String)> = Vec::new();
    for (place, text) in cells {
        let cell = format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#);
        match rows.last_mut() {
            Some((row, line)) if *row == row_of(place) => line.push_str(&cell),
            _ => rows.push((row_of(place), cell)),
        }
    }
    let rows: String = rows.iter().map(|(row, cells)| format!(r#"<row r="{row}">{cells}</row>"#)).collect();
    let content = format!(
        r#"<worksheet xmlns="{SHEETS}"><dimension ref="{dimension}"/><sheetData>{rows}</sheetData></worksheet>"#
    );
    let package = format!(
        r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    zip_of(&[
        ("_rels/.rels", package.as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.xml", content.as_bytes()),
    ])
}
