use super::*;

#[test]
fn an_address_is_128_bits_in_one_way_of_writing() {
    for public in [0, 7, u128::MAX] {
        assert_eq!(parse_public(&public_text(public)), Some(public));
    }
    let upper = public_text(u128::MAX).to_uppercase();
    for wrong in [
        "",
        "7",
        &upper,
        &format!("{}0", public_text(1)),
        "+000000000000000000000000000001f",
    ] {
        assert_eq!(parse_public(wrong), None, "{wrong}");
    }
}

#[test]
fn a_secret_that_somebody_chose_is_one() {
    for fine in ["12345678", &"x".repeat(1024), "with space"] {
        assert_eq!(secrets::check(fine), None, "{fine}");
    }
    for wrong in ["", "1234567", &"x".repeat(1025), " 12345678", "12345\n678"] {
        let fault = secrets::check(wrong).map(|fault| fault.message);
        assert!(fault.is_some_and(|message| wrong.is_empty() || !message.contains(wrong)));
    }
}
