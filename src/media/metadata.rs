//! Takes out of a photo whatever says where, when and with what it was made, and leaves every pixel as it is: nothing is
//! encoded again. Kept are the colour profile and which way is up.

use bytes::Bytes;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::Png;
use img_parts::riff::RiffContent;
use img_parts::webp::{CHUNK_EXIF, CHUNK_VP8X, CHUNK_XMP, WebP};

/// The photo's structure could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl From<img_parts::Error> for Unreadable {
    fn from(_: img_parts::Error) -> Self {
        Unreadable
    }
}

/// Whether files of this type carry such metadata.
pub fn is_photo(mime_type: &str) -> bool {
    matches!(mime_type, "image/jpeg" | "image/png" | "image/webp")
}

/// The photo without metadata.
///
/// # Errors
/// [`Unreadable`] when it is cut off or not of that type.
pub fn strip(photo: Bytes, mime_type: &str) -> Result<Bytes, Unreadable> {
    match mime_type {
        "image/jpeg" => strip_jpeg(photo),
        "image/png" => strip_png(photo),
        "image/webp" => strip_webp(photo),
        _ => Err(Unreadable),
    }
}

/// Of the application's own segments only three say how to show the picture: JFIF, the colour profile, Adobe's transform.
fn strip_jpeg(photo: Bytes) -> Result<Bytes, Unreadable> {
    let mut jpeg = Jpeg::from_bytes(photo)?;
    let turned = jpeg
        .segments_by_marker(markers::APP1)
        .filter_map(|segment| segment.contents().strip_prefix(b"Exif\0\0"))
        .find_map(orientation);
    jpeg.segments_mut().retain(|segment| match segment.marker() {
        markers::APP0 | markers::APP14 => true,
        markers::APP2 => segment.contents().starts_with(b"ICC_PROFILE\0"),
        markers::COM => false,
        marker => !(markers::APP0..=markers::APP15).contains(&marker),
    });
    if let Some(turned) = turned {
        let first = usize::from(jpeg.segments().first().is_some_and(|one| one.marker() == markers::APP0));
        let contents = [b"Exif\0\0".as_slice(), &only_orientation(turned)].concat();
        jpeg.segments_mut()
            .insert(first, JpegSegment::new_with_contents(markers::APP1, Bytes::from(contents)));
    }
    let scan = jpeg.segments().last().filter(|segment| segment.has_entropy()).ok_or(Unreadable)?;
    let scan_bytes = scan.len_with_entropy() - scan.len();
    let cleaned = jpeg.encoder().bytes();
    let (head, scans) = cleaned.split_at(cleaned.len().checked_sub(scan_bytes).ok_or(Unreadable)?);
    Ok(Bytes::from([head, &only_scans(scans)?].concat()))
}

/// What follows the first scan's header: compressed data and further scans, up to the end of the image. Comments and
/// application data between scans go, and so does whatever comes after the end: previews and films with metadata of
/// their own.
fn only_scans(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let marker_at = rest.windows(2).position(|pair| pair[0] == 0xFF && !is_in_scan(pair[1]));
        let (data, from_marker) = rest.split_at(marker_at.ok_or(Unreadable)?);
        kept.extend_from_slice(data);
        let marker = from_marker[1];
        if marker == markers::EOI {
            kept.extend_from_slice(&from_marker[..2]);
            return Ok(kept);
        }
        let length = from_marker.get(2..4).ok_or(Unreadable)?;
        let end = 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = from_marker.get(..end).filter(|segment| segment.len() >= 4).ok_or(Unreadable)?;
        let is_metadata = (markers::APP0..=markers::APP15).contains(&marker) || marker == markers::COM;
        if !is_metadata {
            kept.extend_from_slice(segment);
        }
        rest = &from_marker[end..];
    }
}

/// After 0xFF within compressed data: a stuffed zero, a restart, or a fill byte.
fn is_in_scan(byte: u8) -> bool {
    byte == 0 || (0xD0..=0xD7).contains(&byte) || byte == 0xFF
}

/// 2 to 8 when the picture is to be turned; none when it stands as it is.
fn orientation(tiff: &[u8]) -> Option<u16> {
    let exif = exif::Reader::new().read_raw(tiff.to_vec()).ok()?;
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
    let value = field.value.get_uint(0)?;
    u16::try_from(value).ok().filter(|value| (2..=8).contains(value))
}

/// A TIFF structure with the one tag.
fn only_orientation(value: u16) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    tiff.extend_from_slice(&value.to_be_bytes());
    tiff.extend_from_slice(&[0; 6]);
    tiff
}

/// Chunks that are needed to show the picture; the rest is texts, times, EXIF, or unknown.
fn strip_png(photo: Bytes) -> Result<Bytes, Unreadable> {
    const SHOWN: [&[u8; 4]; 18] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD",
        b"pHYs", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
    ];
    let mut png = Png::from_bytes(photo)?;
    if png.chunks().last().is_none_or(|last| &last.kind() != b"IEND") {
        return Err(Unreadable);
    }
    png.chunks_mut().retain(|chunk| SHOWN.contains(&&chunk.kind()));
    Ok(png.encoder().bytes())
}

fn strip_webp(photo: Bytes) -> Result<Bytes, Unreadable> {
    /// "This file has EXIF", "… XMP" in the extended header.
    const FLAGS: u8 = 0b0000_1100;
    const SHOWN: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
    let mut webp = WebP::from_bytes(photo)?;
    webp.chunks_mut().retain(|chunk| SHOWN.contains(&&chunk.id()));
    debug_assert!(!webp.has_chunk(CHUNK_EXIF) && !webp.has_chunk(CHUNK_XMP));
    for chunk in webp.chunks_mut().iter_mut().filter(|chunk| chunk.id() == CHUNK_VP8X) {
        if let RiffContent::Data(data) = chunk.content_mut() {
            let mut header = data.to_vec();
            *header.first_mut().ok_or(Unreadable)? &= !FLAGS;
            *data = Bytes::from(header);
        }
    }
    Ok(webp.encoder().bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A photo that names its place in EXIF and XMP, its camera, its author; each as cameras and programs write it.
    const PHOTOS: [(&str, &[u8]); 4] = [
        ("image/jpeg", include_bytes!("../../tests/fixtures/photos/turned.jpg")),
        // Several scans with a comment between them, and a film with a place of its own behind the end.
        ("image/jpeg", include_bytes!("../../tests/fixtures/photos/progressive.jpg")),
        ("image/png", include_bytes!("../../tests/fixtures/photos/noted.png")),
        ("image/webp", include_bytes!("../../tests/fixtures/photos/located.webp")),
    ];

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn place_camera_and_author_are_gone_and_every_pixel_is_as_it_was() {
        for (mime_type, photo) in PHOTOS {
            assert!(contains(photo, "Secret") || contains(photo, "GPS"), "{mime_type} tells something");
            let cleaned = strip(Bytes::from_static(photo), mime_type).unwrap();
            for told in ["Secret", "GPS", "xmpmeta", "MakerNote", "ftyp"] {
                assert!(!contains(&cleaned, told), "{mime_type} still tells {told}");
            }
            let before = image::load_from_memory(photo).unwrap().into_rgba8();
            let after = image::load_from_memory(&cleaned).unwrap().into_rgba8();
            assert_eq!(before.as_raw(), after.as_raw(), "{mime_type}");
            let exif = exif::Reader::new().read_from_container(&mut std::io::Cursor::new(&cleaned[..]));
            if let Ok(exif) = exif {
                let tags: Vec<_> = exif.fields().map(|field| field.tag).collect();
                assert_eq!(tags, [exif::Tag::Orientation], "{mime_type}");
            }
            assert_eq!(strip(cleaned.clone(), mime_type).unwrap(), cleaned, "{mime_type}: twice is once");
        }
    }

    #[test]
    fn which_way_is_up_and_the_colour_profile_stay() {
        let cleaned = strip(Bytes::from_static(PHOTOS[0].1), "image/jpeg").unwrap();
        let exif = exif::Reader::new().read_from_container(&mut std::io::Cursor::new(&cleaned[..])).unwrap();
        let turned = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).unwrap();
        assert_eq!(turned.value.get_uint(0), Some(6));
        assert!(contains(&cleaned, "ICC_PROFILE"));
    }

    #[test]
    fn a_photo_cut_anywhere_is_refused_or_readable_and_never_a_panic() {
        for (mime_type, photo) in PHOTOS {
            for end in 0..photo.len() {
                if let Ok(cleaned) = strip(Bytes::from_static(&photo[..end]), mime_type) {
                    assert!(image::load_from_memory(&cleaned).is_ok(), "{mime_type} cut at {end}");
                }
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for mime_type in ["image/jpeg", "image/png", "image/webp", "image/gif"] {
            assert_eq!(strip(Bytes::from_static(b"MZ\x90\0 not a photo at all"), mime_type), Err(Unreadable));
        }
    }
}
