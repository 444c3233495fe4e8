//! Emergencies.

use super::*;

#[test]
fn an_emergency_is_filed_at_once_and_told_with_the_numbers_first() {
    let outcome = turn(DialogueState::default(), &said("kebakaran!"), &in_danger(Slots::default()));
    let [Effect::CreateComplaint(draft)] = &outcome.effects[..] else { panic!("{outcome:?}") };
    assert_eq!(draft.deskripsi.as_deref(), Some("kebakaran!"));
    assert_eq!(outcome.hand_over.as_deref(), Some("emergency"));
    assert!(outcome.state.opening[0].starts_with("Bila ada bahaya, hubungi:\nDarurat: 112"), "{outcome:?}");
    // More of the same is added to it, not filed again; another place is another one.
    let burning = Filed { urgency: Urgency::Emergency, kategori: "lainnya".into(), ..filed() };
    let more = turn(with_filed(&burning), &said("apinya makin besar"), &in_danger(Slots::default()));
    assert_eq!(amendment_of(&more).addition.as_deref(), Some("apinya makin besar"));
    let elsewhere = Slots { alamat: Some("Jl. Anggrek 1".into()), ..Slots::default() };
    let other = turn(with_filed(&burning), &said("di Jl. Anggrek 1 juga"), &in_danger(elsewhere));
    assert!(matches!(&other.effects[..], [Effect::CreateComplaint(_)]), "{other:?}");
}

#[test]
fn the_place_of_an_emergency_is_taken_when_it_comes() {
    let mut state = with_filed(&Filed { alamat: String::new(), urgency: Urgency::Emergency, ..filed() });
    let (lap_id, what) = ("LAP-20260101-001".to_owned(), Awaited::Location);
    state.awaiting = Some(crate::dialogue::state::Awaiting { lap_id, what, since: now() });
    let place = Slots { alamat: Some("Jl. Melati 9".into()), ..Slots::default() };
    let told = turn_on(
        state.clone(),
        &said("Jl. Melati 9"),
        &understood(&[Intent::CreateComplaint], place),
        &Facts::default(),
        hours_later(3),
    );
    assert_eq!(amendment_of(&told).alamat.as_deref(), Some("Jl. Melati 9"));
    let pinned = turn_on(state, &pin(), &Understanding::default(), &Facts::default(), hours_later(3));
    assert_eq!(amendment_of(&pinned).pin, Some((-6.2, 106.8)));
}
