//! The contract of `TicketStore`.

use haechi_core::{Taken, Ticket, TicketKind, Timestamp};

use crate::backend::{Backend, assert_exists};

const KINDS: [TicketKind; 5] = [
    TicketKind::Code,
    TicketKind::Interaction,
    TicketKind::Federation,
    TicketKind::Passkey,
    TicketKind::Assertion,
];
const HOUR: u64 = 3_600_000;

fn ticket(kind: TicketKind, number: u8, body: &[u8]) -> Ticket {
    Ticket { kind, sha256: [number; 32], body: body.to_vec(), expires_at: Timestamp(100) }
}

pub(crate) async fn a_ticket_is_found_until_it_is_taken_or_ends(backend: Backend) {
    let (here, there) = (&backend.here.tickets, &backend.there.tickets);
    for kind in KINDS {
        let body = format!("{kind:?}\0").into_bytes();
        here.add(ticket(kind, 1, &body)).await.unwrap();
        assert_eq!(there.find(kind, &[1; 32], Timestamp(99)).await.unwrap(), Some(body.clone()));
        assert_eq!(there.find(kind, &[1; 32], Timestamp(100)).await.unwrap(), None);
        assert_eq!(there.find(kind, &[2; 32], Timestamp(1)).await.unwrap(), None);
        assert_eq!(
            there.take(kind, &[1; 32], Timestamp(99)).await.unwrap(),
            Taken::Now(body.clone())
        );
        assert_eq!(here.find(kind, &[1; 32], Timestamp(99)).await.unwrap(), None);
        let again = here.take(kind, &[1; 32], Timestamp(500)).await.unwrap();
        assert_eq!(again, Taken::Before(body));
        assert_exists(here.add(ticket(kind, 1, b"new")).await, "ticket");
    }
}

pub(crate) async fn a_ticket_that_ended_or_never_was_is_not_taken(backend: Backend) {
    let tickets = &backend.here.tickets;
    tickets.add(ticket(TicketKind::Code, 1, b"")).await.unwrap();
    let take = |kind, number: u8, at| async move {
        tickets.take(kind, &[number; 32], Timestamp(at)).await.unwrap()
    };
    assert_eq!(take(TicketKind::Code, 1, 100).await, Taken::Never);
    assert_eq!(take(TicketKind::Federation, 1, 1).await, Taken::Never);
    assert_eq!(take(TicketKind::Code, 2, 1).await, Taken::Never);
    assert_eq!(take(TicketKind::Code, 1, 99).await, Taken::Now(Vec::new()));
}

pub(crate) async fn of_many_that_take_a_ticket_at_once_one_gets_it(backend: Backend) {
    backend.here.tickets.add(ticket(TicketKind::Code, 1, b"x")).await.unwrap();
    let taken = backend.race(|_, stores| async move {
        stores.tickets.take(TicketKind::Code, &[1; 32], Timestamp(5)).await.unwrap()
    });
    let taken = taken.await;
    let first = taken.iter().filter(|it| **it == Taken::Now(b"x".to_vec())).count();
    let later = taken.iter().filter(|it| **it == Taken::Before(b"x".to_vec())).count();
    assert_eq!((first, first + later), (1, taken.len()));
}

pub(crate) async fn tickets_are_counted_and_forgotten_taken_ones_later(backend: Backend) {
    let tickets = &backend.here.tickets;
    let kind = TicketKind::Passkey;
    for number in 1..=3 {
        tickets.add(ticket(kind, number, b"")).await.unwrap();
    }
    tickets.take(kind, &[1; 32], Timestamp(5)).await.unwrap();
    assert_eq!(backend.there.tickets.count(kind, Timestamp(99)).await.unwrap(), 3);
    assert_eq!(tickets.count(kind, Timestamp(100)).await.unwrap(), 0);
    assert_eq!(tickets.count(TicketKind::Federation, Timestamp(1)).await.unwrap(), 0);
    assert_eq!(tickets.forget(Timestamp(99)).await.unwrap(), 0);
    let (forgotten, rose) = backend.watch(tickets.forget(Timestamp(100))).await;
    assert_eq!((forgotten.unwrap(), rose), (2, false));
    assert_eq!(tickets.forget(Timestamp(HOUR + 99)).await.unwrap(), 0);
    let before = backend.there.tickets.take(kind, &[1; 32], Timestamp(HOUR)).await.unwrap();
    assert_eq!(before, Taken::Before(Vec::new()));
    assert_eq!(tickets.forget(Timestamp(HOUR + 100)).await.unwrap(), 1);
    assert_eq!(tickets.take(kind, &[1; 32], Timestamp(HOUR)).await.unwrap(), Taken::Never);
    tickets.add(ticket(kind, 1, b"")).await.unwrap();
}
