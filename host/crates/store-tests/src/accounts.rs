//! Accounts, logins of browsers, and facts.

use model::clock::Timestamp;
use store::accounts::{Account, Session};

use crate::{Store, build::NOW};

/// A fact that holds is not overwritten unasked.
pub async fn accounts_and_facts(store: Store) {
    assert_eq!(store.account("no\0body").await.unwrap(), None);
    assert_eq!(store.fact("key").await.unwrap(), None);
    assert_eq!(store.settle_fact("key", "1").await.unwrap(), "1");
    assert_eq!(store.settle_fact("key", "2").await.unwrap(), "1");
    assert_eq!(store.fact("key").await.unwrap().as_deref(), Some("1"));
    for value in ["3", "4"] {
        store.replace_fact("key", value).await.unwrap();
        assert_eq!(store.fact("key").await.unwrap().as_deref(), Some(value));
    }
    let mut account = Account {
        name: "isadmin".to_owned(),
        password_hash: "$argon2id$".to_owned(),
        role: "administrator".to_owned(),
        enabled: true,
        changed_at: NOW,
    };
    store.save_account(account.clone()).await.unwrap();
    account.enabled = false;
    store.save_account(account.clone()).await.unwrap();
    assert_eq!(
        store.account("isadmin").await.unwrap(),
        Some(account.clone())
    );
    assert_eq!(store.account("nobody").await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), [account]);
}

/// A session is kept until it is ended, or too old when another begins.
pub async fn sessions(store: Store) {
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000_000);
    let made = |number: u8, created: i64, used: i64| Session {
        digest: [number; 32],
        account: "isadmin".to_owned(),
        account_changed_at: NOW,
        created_at: at(created),
        used_at: at(used),
    };
    let begin = async |session: Session, oldest: i64, unused: i64| {
        store
            .begin_session(session, at(oldest), at(unused))
            .await
            .unwrap();
    };
    begin(made(1, 0, 0), -100, -10).await;
    begin(made(2, 5, 5), -100, -10).await;
    assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(made(1, 0, 0)));
    assert_eq!(store.session(&[9; 32]).await.unwrap(), None);
    // A use that is told late does not take a later one back.
    for used in [7, 6] {
        store.use_session(&[1; 32], at(used)).await.unwrap();
        assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(made(1, 0, 7)));
    }
    store.use_session(&[9; 32], at(7)).await.unwrap();
    assert_eq!(store.session(&[9; 32]).await.unwrap(), None);
    // The second was not used since; the third is kept by its use and goes by its age.
    begin(made(3, 8, 8), -100, 6).await;
    assert_eq!(store.session(&[2; 32]).await.unwrap(), None);
    assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(made(1, 0, 7)));
    begin(made(4, 9, 9), 1, 6).await;
    assert_eq!(store.session(&[1; 32]).await.unwrap(), None);
    for _ in 0..2 {
        store.end_session(&[3; 32]).await.unwrap();
        assert_eq!(store.session(&[3; 32]).await.unwrap(), None);
    }
    assert_eq!(store.session(&[4; 32]).await.unwrap(), Some(made(4, 9, 9)));
    // A disabled account and another password end those of that account.
    let mut account = Account {
        name: "isadmin".to_owned(),
        password_hash: String::new(),
        role: "View".to_owned(),
        enabled: true,
        changed_at: NOW,
    };
    let save = async |account: &Account| store.save_account(account.clone()).await.unwrap();
    save(&account).await;
    assert!(store.session(&[4; 32]).await.unwrap().is_some());
    account.changed_at = at(1);
    save(&account).await;
    assert_eq!(store.session(&[4; 32]).await.unwrap(), None);
    account.changed_at = NOW;
    begin(made(5, 9, 9), 1, 6).await;
    let mut other = made(6, 9, 9);
    "another".clone_into(&mut other.account);
    begin(other, 1, 6).await;
    account.enabled = false;
    save(&account).await;
    assert_eq!(store.session(&[5; 32]).await.unwrap(), None);
    assert!(store.session(&[6; 32]).await.unwrap().is_some());
}
