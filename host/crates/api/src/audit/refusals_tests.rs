use super::*;

#[test]
fn an_attack_does_not_fill_the_disk_and_hides_nobody() {
    let (attacker, other) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([2, 2, 2, 2]));
    let (mut seen, now) = (Seen::default(), Instant::now());
    let told = (0..1000)
        .filter(|_| seen.note(Some(attacker), now).is_some())
        .count();
    assert_eq!(told, 10);
    // Another address is told, with what was not.
    assert_eq!(seen.note(Some(other), now), Some(990));
    assert_eq!(seen.note(Some(other), now), Some(0));
    // From ever new addresses, no more than so many in a minute, nor in the memory.
    let many = (0..10_000u32).map(|n| Some(IpAddr::from(n.to_be_bytes())));
    let told = many.filter(|from| seen.note(*from, now).is_some()).count();
    assert_eq!(told, 60 - 12);
    assert!(seen.of.len() <= 60);
    let later = now + WINDOW;
    assert_eq!(seen.note(Some(attacker), later), Some(10_000 - 48));
}
