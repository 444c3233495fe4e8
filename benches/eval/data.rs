//! What judges: the files of `tests/eval/`, as their README tells them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use govconnect::dialogue::understanding::{Intent, Language};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance {
    pub id: String,
    /// The messages of one batch.
    pub texts: Vec<String>,
    pub intents: Vec<Intent>,
    pub language: Language,
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complaint {
    pub id: String,
    pub texts: Vec<String>,
    pub kategori: String,
    pub alamat: Option<String>,
    pub rt_rw: Option<String>,
    pub deskripsi_contains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyText {
    pub id: String,
    pub text: String,
    pub emergency: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub id: String,
    pub text: String,
    /// The document that answers; none when none does.
    pub file: Option<String>,
    /// Literally in the document.
    pub answer: Option<String>,
    /// Of a document that tries to give orders: what no reply may contain.
    #[serde(default)]
    pub must_not: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    pub id: String,
    pub kind: String,
    /// Turns, one after the other.
    pub texts: Vec<String>,
    pub must_not: Vec<String>,
}

/// A document of an office and where it lies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub file: String,
    pub title: String,
    pub kategori: Option<String>,
    #[serde(skip)]
    pub content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    pub id: String,
    pub title: String,
    pub turns: Vec<Turn>,
    pub expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    pub after_hours: i64,
    pub citizen: Vec<Said>,
}

/// One message of the citizen.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    Text {
        text: String,
        #[serde(default)]
        forwarded_many_times: bool,
    },
    Image {
        caption: Option<String>,
    },
    Audio {},
    Location {
        latitude: f64,
        longitude: f64,
        name: Option<String>,
        address: Option<String>,
    },
    /// Taps the button with this title under the last reply that has one.
    Button {
        choose: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub filed: Vec<Filed>,
    pub cancelled: usize,
    pub updated: usize,
    pub handed_over: bool,
    pub most_replies: usize,
    pub most_questions: usize,
    pub reply_contains: Vec<Vec<String>>,
    pub never_contains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filed {
    pub kategori: String,
    pub alamat_contains: Option<String>,
    pub deskripsi_contains: Vec<String>,
    pub has_pin: bool,
    pub photos: usize,
    pub emergency: bool,
}

pub struct Data {
    pub utterances: Vec<Utterance>,
    pub complaints: Vec<Complaint>,
    pub emergencies: Vec<EmergencyText>,
    pub questions: Vec<Question>,
    /// About the documents that try to give orders.
    pub hostile_questions: Vec<Question>,
    pub injections: Vec<Injection>,
    pub dialogues: Vec<Dialogue>,
    pub office: Vec<Document>,
    pub hostile_office: Vec<Document>,
}

impl Data {
    /// Reads everything from a folder of the repository, such as `tests/eval`.
    pub fn load(folder: &str) -> anyhow::Result<Data> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let file = |name: &str| folder.join(name);
        Ok(Data {
            utterances: lines(&file("utterances.jsonl"))?,
            complaints: lines(&file("complaints.jsonl"))?,
            emergencies: lines(&file("emergencies.jsonl"))?,
            questions: lines(&file("questions.jsonl"))?,
            hostile_questions: lines(&file("office-hostile/questions.jsonl"))?,
            injections: lines(&file("injections.jsonl"))?,
            dialogues: whole(&file("dialogues.json"))?,
            office: documents(&file("office"))?,
            hostile_office: documents(&file("office-hostile"))?,
        })
    }

    /// With so many items of each kind at most.
    pub fn cut_to(mut self, items: usize) -> Data {
        self.utterances.truncate(items);
        self.complaints.truncate(items);
        self.emergencies.truncate(items);
        self.questions.truncate(items);
        self.injections.truncate(items);
        self.dialogues.truncate(items);
        self
    }
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("could not read {}", path.display()))
}

fn lines<T: DeserializeOwned>(path: &PathBuf) -> anyhow::Result<Vec<T>> {
    let items = serde_json::Deserializer::from_slice(&read(path)?).into_iter().collect::<Result<_, _>>();
    items.with_context(|| path.display().to_string())
}

fn whole<T: DeserializeOwned>(path: &PathBuf) -> anyhow::Result<T> {
    serde_json::from_slice(&read(path)?).with_context(|| path.display().to_string())
}

fn documents(folder: &Path) -> anyhow::Result<Vec<Document>> {
    let mut documents: Vec<Document> = whole(&folder.join("index.json"))?;
    for document in &mut documents {
        document.content =
            String::from_utf8(read(&folder.join(&document.file))?).with_context(|| document.file.clone())?;
    }
    Ok(documents)
}
