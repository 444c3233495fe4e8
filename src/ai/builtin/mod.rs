//! Understanding without a network: rules over normalised words, and small linear models that weigh what the rules
//! found beside the words themselves. Pure and deterministic, well under 5 ms a call.
//!
//! - [`normalise`]: slang, typos and sentences · `lexicon`, `lexicon_intents`: the words
//! - [`intents`]: what is wanted · [`categories`]: what it is about · [`urgency`]: how soon
//! - [`learned`]: the models, made by `examples/train_builtin` from `data/builtin/` · [`weighing`]: both together
//! - [`places`], [`slots`]: where, what and which, in the citizen's own words · [`patterns`]: the expressions
//!
//! Knows nothing of documents: passages are [`super::retrieval`]'s. Never invents a slot that was not said.

pub mod categories;
pub mod intents;
pub mod learned;
mod lexicon;
mod lexicon_danger;
mod lexicon_intents;
pub mod normalise;
pub mod patterns;
pub mod places;
pub mod slots;
#[cfg(test)]
mod tests;
pub mod urgency;
pub mod weighing;

use self::intents::{Context, Scored};
use self::learned::Model;
use self::normalise::Sentence;
use self::places::tagger::Tagger;
use self::weighing::Told;
use crate::dialogue::understanding::{
    AskedSlot, Intent, Language, Slots, UnderstandRequest, Understanding, Urgency,
};

/// Bytes of one batch that are read; far above what people write, and a bound on the work.
const LONGEST_BATCH: usize = 16_384;

/// What was understood, and how strongly the words spoke for each intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub understanding: Understanding,
    pub scores: Vec<Scored>,
}

/// Understands one batch of messages.
pub fn understand(request: &UnderstandRequest) -> Understanding {
    read(request).understanding
}

/// [`understand`] with the scores, for the trace.
pub fn read(request: &UnderstandRequest) -> Reading {
    read_with(Model::shipped(), request)
}

/// What a text says before anything is weighed.
struct Heard {
    sentences: Vec<Sentence>,
    /// The sentences without the places.
    matter: Vec<Sentence>,
    location: slots::Where,
    lap_id: Option<String>,
    context: Context,
}

fn hear(tagger: &Tagger, text: &str) -> Heard {
    let sentences = normalise::sentences(text);
    let location = slots::place(tagger, text);
    let matter = categories::outside(&sentences, &location.spans);
    let lap_id = slots::lap_id(text);
    let context = Context {
        has_place: location.alamat.is_some(),
        has_lap_id: lap_id.is_some(),
        has_correction: location.corrects,
        only_thanking_signs: sentences.is_empty() && text.chars().any(is_thanking_sign),
    };
    Heard { sentences, matter, location, lap_id, context }
}

/// What `weigh` makes of a text; for those that make a model.
pub fn told_of<T>(tagger: &Tagger, text: &str, weigh: impl FnOnce(Told<'_>) -> T) -> T {
    let Heard { sentences, matter, context, .. } = hear(tagger, text);
    weigh(Told { sentences: &sentences, matter: &matter, context })
}

/// [`read`] with another model, for those that make one.
pub fn read_with(model: &Model, request: &UnderstandRequest) -> Reading {
    let texts = readable(&request.texts);
    let text = texts.join("\n");
    let Heard { sentences, matter, location, lap_id, context } = hear(&model.places, &text);
    let told = Told { sentences: &sentences, matter: &matter, context };
    let mut scores = weighing::intents(model, told);
    let urgency = urgency::of(model, &text, &sentences);
    if urgency == Urgency::Emergency && scores.iter().all(|scored| weighing::is_courtesy(scored.intent)) {
        // Somebody in danger does not write "saya mau lapor".
        scores.insert(0, Scored { intent: Intent::CreateComplaint, score: 5.0 });
    }
    let mut found = Slots { rt_rw: location.rt_rw.clone(), lap_id, ..Slots::default() };
    take_answer(request.asked_for, &text, &sentences, &matter, &location, &mut scores, &mut found);
    let names_a_thing = matter.iter().map(|sentence| sentence.words.len()).sum::<usize>() <= 2;
    let only_courtesy = scores.iter().all(|scored| weighing::is_courtesy(scored.intent));
    if only_courtesy
        && !context.only_thanking_signs
        && (location.alamat.is_some() || (names_a_thing && categories::answered(&matter).is_some()))
    {
        // "Jl. Melati No. 15" or "sampah" by itself: a piece of a complaint, asked for or not.
        scores.insert(0, Scored { intent: Intent::CreateComplaint, score: intents::MEANT });
    }
    if has(&scores, Intent::CreateComplaint) || has(&scores, Intent::UpdateComplaint) {
        found.alamat = found.alamat.or(location.alamat);
        let tells = tells_what(&matter, &scores, location.corrects);
        if tells {
            found.kategori = found.kategori.or_else(|| weighing::kategori(model, &sentences, &matter));
        }
        if found.deskripsi.is_none() && tells {
            found.deskripsi = slots::description(&texts, &location.spans);
        }
    } else if has(&scores, Intent::CheckStatus) {
        found.alamat = location.alamat;
    }
    let about_one = [Intent::CheckStatus, Intent::UpdateComplaint, Intent::CancelComplaint];
    if found.lap_id.is_none() && about_one.iter().any(|intent| has(&scores, *intent)) {
        // "Yang tadi sudah sampai mana?" after an officer named its number.
        found.lap_id = request.context.iter().rev().find_map(|line| slots::lap_id(&line.text));
    }
    if scores.is_empty() {
        scores.push(Scored { intent: Intent::Unknown, score: 0.0 });
    }
    let off_topic = has(&scores, Intent::OffTopic)
        && scores
            .iter()
            .all(|scored| scored.intent == Intent::OffTopic || weighing::is_courtesy(scored.intent));
    let understanding = Understanding {
        off_topic,
        intents: scores.iter().map(|scored| scored.intent).collect(),
        slots: found,
        language: language(&sentences),
        urgency,
        ..Understanding::default()
    };
    Reading { understanding, scores }
}

fn has(scores: &[Scored], intent: Intent) -> bool {
    scores.iter().any(|scored| scored.intent == intent)
}

/// The batch up to [`LONGEST_BATCH`] bytes, whole characters only.
pub(super) fn readable(texts: &[String]) -> Vec<String> {
    let mut left = LONGEST_BATCH;
    texts
        .iter()
        .map(|text| {
            let mut end = text.len().min(left);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            left -= end;
            text[..end].to_owned()
        })
        .collect()
}

/// A bare answer fills the slot that was asked for, unless the citizen turned to something else.
fn take_answer(
    asked_for: Option<AskedSlot>,
    text: &str,
    sentences: &[Sentence],
    matter: &[Sentence],
    location: &slots::Where,
    scores: &mut Vec<Scored>,
    found: &mut Slots,
) {
    let Some(asked_for) = asked_for else { return };
    if asked_for == AskedSlot::Deskripsi {
        // Who was asked what happened tells it, however strange it is.
        scores.retain(|scored| scored.intent != Intent::OffTopic);
    }
    if asked_for == AskedSlot::Alamat && !location.corrects {
        // "Alamatnya di …" answers; there is nothing yet that it could change.
        scores.retain(|scored| scored.intent != Intent::UpdateComplaint);
    }
    let turned_away = scores
        .iter()
        .any(|scored| !matches!(scored.intent, Intent::CreateComplaint | Intent::Greeting | Intent::Thanks))
        || (!scores.is_empty()
            && !has(scores, Intent::CreateComplaint)
            && sentences.len() <= 1
            && location.alamat.is_none());
    if turned_away || sentences.is_empty() || sentences.iter().all(says_nothing) {
        return;
    }
    match asked_for {
        AskedSlot::Alamat => {
            // What tells of a trouble is more than an answer.
            let told_more =
                has(scores, Intent::CreateComplaint) && matter.iter().any(categories::tells_fault);
            found.alamat =
                location.alamat.clone().or_else(|| (!told_more).then(|| slots::bare_answer(text)).flatten());
        }
        AskedSlot::Kategori => found.kategori = categories::answered(matter).map(str::to_owned),
        AskedSlot::Deskripsi => {
            found.deskripsi = slots::description(std::slice::from_ref(&text.to_owned()), &location.spans)
                .or_else(|| Some(text.trim().to_owned()));
        }
    }
    let filled = found.alamat.is_some() || found.kategori.is_some() || found.deskripsi.is_some();
    if filled && !has(scores, Intent::CreateComplaint) {
        scores.insert(0, Scored { intent: Intent::CreateComplaint, score: 3.0 });
    }
}

/// "tidak tahu", "ya", "lupa": an answer, but not to the question.
fn says_nothing(sentence: &Sentence) -> bool {
    #[rustfmt::skip]
    const EMPTY: &[&str] = &[
        "tidak tahu", "tidak tau", "kurang tahu", "lupa", "ya", "tidak", "sudah", "belum", "bentar",
        "sebentar", "nanti", "entah", "saya tidak tahu", "saya lupa", "tunggu", "tunggu sebentar",
        "kurang tau", "tidak ingat", "bukan", "hah", "apa", "maksud", "lho", "loh", "ok",
    ];
    sentence.is_any(EMPTY)
}

/// Whether anything but a place, a preface or a courtesy was said.
fn tells_what(matter: &[Sentence], scores: &[Scored], corrects: bool) -> bool {
    // "Saya warga Dusun Krajan mau mengadu" says nothing yet.
    #[rustfmt::skip]
    const PREFACES: &[&str] = &[
        "saya", "kami", "aku", "warga", "mau", "ingin", "lapor", "melapor", "melaporkan", "laporan", "adu", "mengadu", "mengadukan", "pengaduan", "keluhan",
        "bapak", "ibu", "kakak", "mas", "mbak", "admin", "halo", "permisi", "selamat", "pagi", "siang", "sore", "malam", "assalamualaikum", "maaf", "tolong", "mohon",
        "yang", "di", "dari", "ini", "itu", "nih", "dong", "ya", "buat", "untuk", "ada", "soal", "tentang", "ok", "oh", "eh", "sini", "tadi", "dengan", "bisa", "bantu", "dibantu",
        "i", "want", "to", "report", "please", "the", "a", "here", "rt", "rw", "ngadu",
    ];
    let words = matter.iter().flat_map(|sentence| &sentence.words);
    let is_number = |word: &str| word.chars().all(|character| character.is_ascii_digit());
    let telling = words.filter(|word| !PREFACES.contains(&&*word.norm) && !is_number(&word.norm)).count();
    let about = |sentence: &Sentence| {
        categories::tells_fault(sentence) || categories::classify(std::slice::from_ref(sentence)).is_some()
    };
    has(scores, Intent::UpdateComplaint) || matter.iter().any(about) || (telling >= 3 && !corrects)
}

fn is_thanking_sign(character: char) -> bool {
    matches!(
        character,
        '🙏' | '👍'
            | '👌'
            | '❤'
            | '😊'
            | '🙂'
            | '😁'
            | '🤝'
            | '💪'
            | '👏'
            | '🫡'
            | '😀'
            | '😄'
            | '🥰'
    )
}

fn language(sentences: &[Sentence]) -> Language {
    #[rustfmt::skip]
    const ENGLISH: &[&str] = &[
        "the", "is", "are", "my", "i", "you", "want", "report", "please", "how", "when", "where", "what",
        "there", "street", "road", "light", "broken", "to", "can", "do", "need", "office", "complaint",
        "speak", "talk", "in", "on", "at", "it", "has", "not", "for", "of", "and", "hello", "good", "morning",
        "near", "garbage", "flood", "a", "an", "help", "fire", "cancel", "check", "open",
    ];
    #[rustfmt::skip]
    const INDONESIAN: &[&str] = &[
        "saya", "yang", "di", "tidak", "ada", "apa", "bagaimana", "mau", "lapor", "jalan", "dan", "sudah",
        "untuk", "dengan", "tolong", "bapak", "ibu", "ini", "kapan", "terima", "kasih", "ya", "bisa",
        "laporan", "rusak", "lampu", "belum", "banjir", "sampah",
    ];
    let count = |list: &[&str]| -> usize {
        sentences
            .iter()
            .flat_map(|sentence| &sentence.words)
            .filter(|word| list.contains(&word.norm.as_str()))
            .count()
    };
    let (english, indonesian) = (count(ENGLISH), count(INDONESIAN));
    if english >= 2 && english > indonesian { Language::En } else { Language::Id }
}
