//! How well a passage answers a question, by words: BM25 over the office's own passages, the words of title and headings
//! counted like the text's, and how sure that makes us. Pure.
//!
//! The few numbers here were chosen on `data/tuning/` by cross-validation over its documents; results changed little around
//! them. How is told at each.

use crate::ai::retrieval::question::Question;
use crate::store::ai::search::{Candidate, IndexedWord, Term};

/// How soon more of the same word counts no more (BM25's k1) and how much long passages are held back (its b).
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.5;
/// What a word is worth that documents write for the citizen's; that is the citizen's without affixes; that is spelt like it.
const OFFICIAL: f64 = 0.6;
const PLAIN: f64 = 0.9;
const ALIKE: f64 = 0.7;
/// What a word weighs that the office never wrote, of what the rarest does.
const UNKNOWN: f64 = 0.7;
/// What having words of the kind of answer that is asked for adds, and what lacking a subject takes away, of what the
/// rarest word weighs.
const ANSWER_KIND: f64 = 0.14;
const SUBJECT: f64 = 0.18;

/// A word of the question with everything that stands for it in the index.
#[derive(Debug)]
struct Group {
    /// The most that it can weigh.
    weight: f64,
    is_subject: bool,
    /// Lexeme, what having it is worth, and how many passages do.
    lexemes: Vec<(String, f64, i64)>,
}

/// A question in the words of the index.
#[derive(Debug)]
pub struct Sought {
    groups: Vec<Group>,
    /// The lexemes of each kind of answer that is asked for.
    answers: Vec<Vec<String>>,
    /// What a word weighs that one passage of all has: the scale of everything.
    rarest: f64,
}

/// The words that the index must be asked about, and whether something spelt like them will do.
pub fn words_of(question: &Question) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    for wanted in &question.wanted {
        words.extend(wanted.word.iter().map(|word| (word.clone(), true)));
        words.extend(wanted.plain_forms.iter().map(|word| (word.clone(), false)));
        words.extend(wanted.official.iter().map(|word| ((*word).to_owned(), false)));
    }
    words.extend(question.answer_words.iter().copied().flatten().map(|word| ((*word).to_owned(), false)));
    words
}

impl Sought {
    /// `known` are the words of [`words_of`] in its order; `total` is how many passages there are.
    pub fn new(question: &Question, known: Vec<IndexedWord>, total: i64) -> Sought {
        let rarity = |passages: i64| rarity(passages, total);
        let rarest = rarity(1);
        let mut known = known.into_iter();
        let mut groups = Vec::with_capacity(question.wanted.len());
        for wanted in &question.wanted {
            let own = wanted.word.as_ref().and_then(|_| known.next());
            let plain: Vec<IndexedWord> = known.by_ref().take(wanted.plain_forms.len()).collect();
            let official: Vec<IndexedWord> = known.by_ref().take(wanted.official.len()).collect();
            let mut lexemes: Vec<(String, f64, i64)> = Vec::new();
            let mut add = |lexeme: &str, passages: i64, credit: f64| {
                if passages > 0 && !lexemes.iter().any(|(there, ..)| there == lexeme) {
                    lexemes.push((lexeme.to_owned(), credit * rarity(passages), passages));
                }
            };
            if let Some(own) = &own {
                add(&own.lexeme, own.passages, 1.0);
            }
            if own.as_ref().is_none_or(|own| own.passages == 0)
                && let Some(plain) = plain.iter().find(|plain| plain.passages > 0)
            {
                add(&plain.lexeme, plain.passages, PLAIN);
            }
            for official in &official {
                add(&official.lexeme, official.passages, OFFICIAL);
            }
            if let Some(own) = &own
                && lexemes.is_empty()
            {
                lexemes = own
                    .alike
                    .iter()
                    .map(|(lexeme, passages)| (lexeme.clone(), ALIKE * rarity(*passages), *passages))
                    .collect();
            }
            let weight =
                lexemes.iter().map(|(_, worth, _)| *worth).reduce(f64::max).unwrap_or(UNKNOWN * rarest);
            groups.push(Group { weight, is_subject: wanted.is_subject, lexemes });
        }
        let answers = question.answer_words.iter().map(|words| {
            let lexemes = known.by_ref().take(words.len()).filter(|word| word.passages > 0);
            lexemes.map(|word| word.lexeme).collect()
        });
        Sought { answers: answers.collect(), groups, rarest }
    }

    /// What the index is to be probed with.
    pub fn terms(&self) -> Vec<Term> {
        self.groups
            .iter()
            .map(|group| Term {
                weight: group.weight,
                lexemes: group
                    .lexemes
                    .iter()
                    .map(|(lexeme, _, passages)| (lexeme.clone(), *passages))
                    .collect(),
            })
            .collect()
    }

    /// The lexemes that candidates are looked through for.
    pub fn lexemes(&self) -> Vec<String> {
        let mut lexemes: Vec<String> =
            self.groups.iter().flat_map(|group| &group.lexemes).map(|(lexeme, ..)| lexeme.clone()).collect();
        lexemes.extend(self.answers.iter().flatten().cloned());
        lexemes.sort_unstable();
        lexemes.dedup();
        lexemes
    }

    /// The candidates with how sure it is that they answer, best first; those that have nothing to do with it are gone.
    pub fn ranked(&self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let lengths: f64 = candidates.iter().map(|candidate| f64::from(candidate.length)).sum();
        let mean_length = lengths / candidates.len().max(1) as f64;
        let mut scored: Vec<(f64, Candidate)> = Vec::with_capacity(candidates.len());
        for mut candidate in candidates {
            let (evidence, missing) = self.evidence(&candidate, mean_length);
            if evidence > 0.0 {
                candidate.passage.score = confidence(evidence, missing);
                scored.push((evidence, candidate));
            }
        }
        let place = |candidate: &Candidate| (candidate.passage.source_title.clone(), candidate.ordinal);
        scored.sort_by(|(left, one), (right, other)| {
            right.total_cmp(left).then_with(|| place(one).cmp(&place(other)))
        });
        scored.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// What speaks for a passage, where the rarest word weighs 1; and how many subjects it lacks.
    fn evidence(&self, candidate: &Candidate, mean_length: f64) -> (f64, usize) {
        let length = 1.0 - LENGTH + LENGTH * f64::from(candidate.length) / mean_length.max(1.0);
        let frequency = |lexeme: &str| {
            let hit = candidate.hits.iter().find(|hit| hit.lexeme == lexeme);
            hit.map_or(0.0, |hit| f64::from(hit.in_head) + f64::from(hit.in_content) / length)
        };
        let (mut sum, mut missing) = (0.0, 0);
        for group in &self.groups {
            let worth = |(lexeme, worth, _): &(String, f64, i64)| {
                let frequency = frequency(lexeme);
                worth * frequency * (SATURATION + 1.0) / (frequency + SATURATION)
            };
            let best = group.lexemes.iter().map(worth).fold(0.0, f64::max);
            sum += best;
            missing += usize::from(group.is_subject && best == 0.0);
        }
        if sum == 0.0 {
            return (0.0, missing);
        }
        let answers = self.answers.iter().map(|lexemes| {
            let having = lexemes.iter().filter(|lexeme| {
                candidate.hits.iter().any(|hit| hit.lexeme == **lexeme && hit.in_content > 0)
            });
            having.take(2).count() as f64 / 2.0
        });
        let answers: f64 = answers.sum();
        (sum / self.rarest + ANSWER_KIND * answers - SUBJECT * missing as f64, missing)
    }
}

/// BM25's inverse document frequency; never negative.
fn rarity(passages: i64, total: i64) -> f64 {
    let passages = passages.max(0) as f64;
    let total = (total.max(0) as f64).max(passages);
    (1.0 + (total - passages + 0.5) / (passages + 0.5)).ln()
}

/// How likely it is that a passage with so much evidence answers, 0 to 1. The weights are a logistic regression of "the
/// best passage holds the answer" over the questions of `data/tuning/`, those that nothing answers counted twice. More
/// features (coverage, the lead over the second, the rarest word that is missing) did no better on folds of documents.
fn confidence(evidence: f64, missing: usize) -> f64 {
    let logit = BIAS + PER_EVIDENCE * evidence - PER_MISSING * missing as f64;
    1.0 / (1.0 + (-logit).exp())
}

const BIAS: f64 = -1.76;
const PER_EVIDENCE: f64 = 1.41;
const PER_MISSING: f64 = 1.01;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::ai::FoundPassage;
    use crate::store::ai::search::Hit;

    fn indexed(word: &str, passages: i64) -> IndexedWord {
        IndexedWord { lexeme: word.to_owned(), passages, alike: Vec::new() }
    }

    fn candidate(title: &str, length: i32, hits: &[(&str, i32, i32)]) -> Candidate {
        let passage = FoundPassage {
            passage_id: Uuid::nil(),
            source_id: Uuid::nil(),
            source_title: title.to_owned(),
            heading: String::new(),
            content: String::new(),
            page: None,
            score: 0.0,
        };
        let hit = |(lexeme, in_head, in_content): &(&str, i32, i32)| Hit {
            lexeme: (*lexeme).to_owned(),
            in_head: *in_head,
            in_content: *in_content,
        };
        Candidate { passage, ordinal: 0, length, hits: hits.iter().map(hit).collect() }
    }

    /// A question whose every word the index knows in so many of a hundred passages.
    fn sought(question: &str, known: &[(&str, i64)]) -> Sought {
        let question = Question::of(&[question.to_owned()]);
        let passages =
            |word: &str| known.iter().find(|(there, _)| *there == word).map_or(0, |(_, passages)| *passages);
        let words =
            words_of(&question).into_iter().map(|(word, _)| indexed(&word, passages(&word))).collect();
        Sought::new(&question, words, 100)
    }

    fn order(sought: &Sought, candidates: Vec<Candidate>) -> Vec<String> {
        sought.ranked(candidates).into_iter().map(|candidate| candidate.passage.source_title).collect()
    }

    #[test]
    fn rare_words_decide_and_short_passages_come_first() {
        let sought = sought("denda pohon", &[("denda", 3), ("pohon", 40)]);
        let found = order(
            &sought,
            vec![
                candidate("pohon", 50, &[("pohon", 1, 3)]),
                candidate("long", 150, &[("denda", 0, 1)]),
                candidate("short", 50, &[("denda", 0, 1)]),
                candidate("neither", 50, &[]),
            ],
        );
        assert_eq!(found, ["short", "long", "pohon"]);
    }

    #[test]
    fn the_citizens_own_word_is_worth_more_than_the_official_one() {
        let sought = sought("ongkos", &[("ongkos", 5), ("biaya", 5)]);
        let found = order(
            &sought,
            vec![candidate("official", 50, &[("biaya", 0, 1)]), candidate("own", 50, &[("ongkos", 0, 1)])],
        );
        assert_eq!(found, ["own", "official"]);
    }

    #[test]
    fn a_passage_without_the_subject_is_no_sure_answer() {
        let known = [("syarat", 20), ("perpanjang", 4), ("paspor", 1)];
        let question = "syarat perpanjang paspor";
        let hits = [("syarat", 0, 2), ("perpanjang", 0, 2)];
        let without = sought(question, &known).ranked(vec![candidate("ktp", 50, &hits)]);
        let with = sought(question, &known).ranked(vec![candidate(
            "paspor",
            50,
            &[hits[0], hits[1], ("paspor", 1, 1)],
        )]);
        assert!(without[0].passage.score < 0.5 && with[0].passage.score > 0.6, "{without:?} {with:?}");
    }

    #[test]
    fn what_nobody_wrote_finds_nothing() {
        assert!(sought("paspor", &[]).lexemes().is_empty());
        assert!(order(&sought("paspor", &[]), vec![candidate("any", 50, &[])]).is_empty());
    }
}
