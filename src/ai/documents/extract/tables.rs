//! Rows of tables as sentences that stand by themselves: each value with the name of its column.

use super::in_one_line;

/// The rows as text. `has_header`: the file marks its first row as names of columns. Without such a mark a table of two
/// columns is read as name and value, a wider one as having its names in the first row.
pub fn rows(table: Vec<Vec<String>>, has_header: bool) -> Vec<String> {
    let table: Vec<Vec<String>> = table
        .into_iter()
        .map(|row| row.iter().map(|cell| in_one_line(cell)).collect::<Vec<_>>())
        .filter(|row| row.iter().any(|cell| !cell.is_empty()))
        .collect();
    let filled = |row: &[String]| row.iter().filter(|cell| !cell.is_empty()).count();
    let width = table.iter().map(|row| filled(row)).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut header: Option<Vec<String>> = None;
    for row in table {
        match &header {
            // A title over the table, or a table of one column.
            _ if filled(&row) == 1 => lines.extend(row.into_iter().filter(|cell| !cell.is_empty())),
            None if has_header || width > 2 => header = Some(row),
            None => lines.push(joined(&row, ": ")),
            Some(names) => {
                let cells = row.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
                let named = cells.map(|(column, cell)| match names.get(column).map(String::as_str) {
                    Some("") | None => cell.clone(),
                    Some(name) => format!("{name}: {cell}"),
                });
                lines.push(named.collect::<Vec<_>>().join("; "));
            }
        }
    }
    // Nothing but a header: it is still text.
    if let (true, Some(names)) = (lines.is_empty(), header) {
        lines.push(joined(&names, "; "));
    }
    lines
}

fn joined(row: &[String], separator: &str) -> String {
    row.iter().filter(|cell| !cell.is_empty()).map(String::as_str).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn each_row_says_what_its_values_are() {
        let wide = table(&[
            &["Daftar biaya", "", ""],
            &["Layanan", "Biaya", "Lama"],
            &["KTP", "Gratis", "14 hari"],
            &["", "", ""],
            &["KK", "", "7\nhari"],
        ]);
        assert_eq!(
            rows(wide, false),
            ["Daftar biaya", "Layanan: KTP; Biaya: Gratis; Lama: 14 hari", "Layanan: KK; Lama: 7 hari"]
        );
        let pairs = table(&[&["Biaya", "Gratis"], &["Lama", "14 hari"]]);
        assert_eq!(rows(pairs.clone(), false), ["Biaya: Gratis", "Lama: 14 hari"]);
        assert_eq!(rows(pairs, true), ["Biaya: Lama; Gratis: 14 hari"]);
        assert_eq!(rows(table(&[&["Nama", "Alamat", "RT"]]), false), ["Nama; Alamat; RT"]);
        assert!(rows(table(&[&["", " "]]), true).is_empty());
    }
}
