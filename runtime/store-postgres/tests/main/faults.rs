//! Servers and databases that cannot be used, each with its message; and servers that go away.

use crate::{fresh, migrated};
use pmflow_engine::{InstanceStatus, Write};
use pmflow_store::conformance::samples::{created, end, process, root, step, stored, transition};
use pmflow_store::{Claim, Committed, Conflict, Remedy, Store, StoreError};
use pmflow_store_postgres::cluster::{Cluster, ClusterOptions, Database, Stop, execute};
use pmflow_store_postgres::{Migrated, PostgresOptions, PostgresStore, migrate};
use std::time::Duration;

async fn refusal(address: &str) -> (StoreError, String) {
    let error = PostgresStore::open(PostgresOptions::at(address).unwrap()).await.unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[tokio::test]
async fn an_empty_database_says_how_to_make_its_tables() {
    let database = Database::create().await.unwrap();
    let (error, text) = refusal(&database.address).await;
    assert!(matches!(error, StoreError::NotMigrated { found: None, .. }), "{error:?}");
    assert!(text.contains("no tables of pmflow yet") && text.contains("Run `pmflow migrate`"), "{text}");
    let options = PostgresOptions::at(&database.address).unwrap();
    let first = migrate(&options).await.unwrap();
    assert_eq!(first.from, None);
    assert_eq!(migrate(&options).await.unwrap(), Migrated { from: Some(first.to), to: first.to });
    PostgresStore::open(options).await.unwrap();
}

#[tokio::test]
async fn many_may_migrate_at_once() {
    let database = Database::create().await.unwrap();
    let options = PostgresOptions::at(&database.address).unwrap();
    let migrating: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn({
                let options = options.clone();
                async move { migrate(&options).await }
            })
        })
        .collect();
    for done in migrating {
        done.await.unwrap().unwrap();
    }
    PostgresStore::open(options).await.unwrap();
}

#[tokio::test]
async fn a_newer_an_older_and_another_layout_are_told_apart() {
    let database = migrated().await;
    let insert = "INSERT INTO pmflow_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, '\\x00', 1)";
    execute(&database.address, insert).await.unwrap();
    let (error, text) = refusal(&database.address).await;
    assert!(matches!(error, StoreError::NewerVersion { found: 9999, .. }), "{error:?}");
    assert!(text.contains("Upgrade pmflow"), "{text}");
    execute(&database.address, "DELETE FROM pmflow_migrations WHERE version = 9999; UPDATE pmflow_migrations SET version = 0 WHERE version = (SELECT max(version) FROM pmflow_migrations)").await.unwrap();
    let (error, text) = refusal(&database.address).await;
    assert!(matches!(error, StoreError::NotMigrated { found: Some(_), .. }), "{error:?}");
    assert!(text.contains("this pmflow needs layout"), "{text}");
    let database = migrated().await;
    execute(&database.address, "UPDATE pmflow_migrations SET checksum = '\\x00'").await.unwrap();
    assert!(matches!(refusal(&database.address).await.0, StoreError::OtherVersion { .. }));
}

/// The layout before roots stood in the rows of their runs, made out of the present one.
#[tokio::test]
async fn a_run_of_an_earlier_layout_goes_on() {
    let (database, store) = fresh().await;
    let (live, ended) = (created(&store, "live").await, created(&store, "ended").await);
    stored(&store, transition(&ended, 2, vec![Write::EndInstance(end(&root(), InstanceStatus::Done, None))])).await;
    let before = [store.recover(&live.run).await.unwrap().stored, store.recover(&ended.run).await.unwrap().stored];
    assert_eq!(before.each_ref().map(|stored| stored.instances.len()), [1, 0]);
    let earlier = "ALTER TABLE instances ALTER COLUMN parent DROP NOT NULL;
        INSERT INTO instances (execution_id, path, position, status, state, started_at, ended_at)
        SELECT execution_id, root_path, 0, root_status, nullif(root_state, ''), created_at, CASE root_state WHEN '' THEN changed_at END
        FROM workflow_executions;
        ALTER TABLE workflow_executions DROP COLUMN root_status;
        ALTER TABLE workflow_executions DROP COLUMN root_state;
        DROP TYPE run_change, run_insertion, step_record, usage_line, output_record, instance_record, instance_ending, history_addition;
        ALTER TABLE workflow_executions ADD CONSTRAINT workflow_executions_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams;
        DELETE FROM pmflow_migrations WHERE version >= 6";
    execute(&database.address, earlier).await.unwrap();
    let options = PostgresOptions::at(&database.address).unwrap();
    assert!(matches!(refusal(&database.address).await.0, StoreError::NotMigrated { .. }));
    migrate(&options).await.unwrap();
    let store = PostgresStore::open(options).await.unwrap();
    let after = [store.recover(&live.run).await.unwrap().stored, store.recover(&ended.run).await.unwrap().stored];
    assert_eq!(after, before);
    stored(&store, transition(&live, 2, vec![Write::EndInstance(end(&root(), InstanceStatus::Done, None))])).await;
    assert_eq!(store.recover(&live.run).await.unwrap().stored.instances, []);
    // As a worker of before writes a root.
    let root = "INSERT INTO instances (execution_id, path, position, status, started_at) VALUES (1, 'daily', 0, 'running', 1)";
    let refused = execute(&database.address, root).await.unwrap_err();
    assert!(refused.contains("parent"), "{refused}");
}

/// A row that finds no room in its page takes new entries in every index with it. A few may: what is dead is not cleared away while somebody
/// looks.
#[tokio::test]
async fn runs_that_go_on_together_find_room_in_their_pages() {
    let (database, store) = fresh().await;
    let mut leases = Vec::new();
    for number in 0..100 {
        leases.push(created(&store, &format!("run-{number}")).await);
    }
    let noted = "CREATE TABLE noted AS SELECT execution_id, (ctid::text::point)[0] AS page FROM workflow_executions";
    execute(&database.address, noted).await.unwrap();
    for sequence in 2..6 {
        let all = leases.iter().map(|lease| transition(lease, sequence, vec![])).collect();
        let answers = store.commit(all).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Committed::Stored { .. })), "{answers:?}");
    }
    let moved = "DO $$ DECLARE moved bigint; BEGIN
        SELECT count(*) INTO moved FROM noted JOIN workflow_executions AS run USING (execution_id) WHERE (run.ctid::text::point)[0] <> page;
        IF moved > 10 THEN RAISE EXCEPTION '% of 100 have moved', moved; END IF;
    END $$";
    execute(&database.address, moved).await.unwrap();
}

#[tokio::test]
async fn tables_changed_by_hand_are_named() {
    for (change, named) in [
        ("ALTER TABLE instances DROP COLUMN yielded", "there is no column instances.yielded text"),
        ("ALTER TABLE outputs ALTER COLUMN at TYPE text", "there is no column outputs.at bigint required"),
        ("ALTER TABLE plans RENAME TO flows", "there is no column plans.bytes"),
        (
            "ALTER TABLE node_executions DROP CONSTRAINT node_executions_pkey",
            "there is no unique node_executions (execution_id, step, attempt)",
        ),
        ("ALTER TYPE step_record DROP ATTRIBUTE failure", "there is no place 12 of step_record: failure text"),
        ("ALTER TYPE step_record ADD ATTRIBUTE note text", "there is one more place 23 of step_record: note text"),
        (
            "ALTER TYPE run_change DROP ATTRIBUTE root_status; ALTER TYPE run_change ADD ATTRIBUTE root_status text",
            "there is no place 25 of run_change: root_status text",
        ),
        ("ALTER TABLE approvals ADD COLUMN note text NOT NULL", "there is one more column approvals.note text required"),
    ] {
        let database = migrated().await;
        execute(&database.address, change).await.unwrap();
        let (error, text) = refusal(&database.address).await;
        assert!(matches!(error, StoreError::ChangedByHand { .. }), "{change}: {error:?}");
        assert!(text.contains(named), "{change}: {text}");
    }
    let database = migrated().await;
    let harmless =
        "ALTER TABLE approvals ADD COLUMN note text; CREATE INDEX outputs_mine ON outputs (at); CREATE TABLE mine (id bigint)";
    execute(&database.address, harmless).await.unwrap();
    PostgresStore::open(PostgresOptions::at(&database.address).unwrap()).await.unwrap();
}

#[tokio::test]
async fn another_programs_tables_are_left_alone() {
    let database = Database::create().await.unwrap();
    execute(&database.address, "CREATE TABLE teams (name text); CREATE TABLE songs (title text)").await.unwrap();
    let error = migrate(&PostgresOptions::at(&database.address).unwrap()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(text.contains("another program has tables of the same names in it: teams") && text.contains("search_path"), "{text}");
    let own = format!("{}&options=-csearch_path%3Dpmflow", database.address);
    let own = if own.contains('?') { own } else { own.replacen('&', "?", 1) };
    execute(&database.address, "CREATE SCHEMA pmflow").await.unwrap();
    migrate(&PostgresOptions::at(&own).unwrap()).await.unwrap();
    let store = PostgresStore::open(PostgresOptions::at(&own).unwrap()).await.unwrap();
    created(&store, "r1").await;
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let database = migrated().await;
    let user = format!("reader_{}", std::process::id());
    let make = format!(
        "CREATE ROLE {user} LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}; GRANT INSERT, UPDATE, DELETE ON plans TO {user}"
    );
    execute(&database.address, &make).await.unwrap();
    let address = database.address.replacen("postgres://postgres@", &format!("postgres://{user}:x@"), 1);
    if address != database.address {
        let (error, text) = refusal(&address).await;
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        assert!(text.contains("may not read and write ") && text.contains("approvals") && text.contains("GRANT"), "{text}");
        assert!(!text.contains("plans"), "what it may do is not named: {text}");
        assert!(!text.contains(":x@"), "no password: {text}");
    }
    execute(&database.address, &format!("DROP OWNED BY {user}; DROP ROLE {user}")).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let database = Database::create().await.unwrap();
    let (place, settings) = database.address.rsplit_once('?').unwrap_or((&database.address, ""));
    let (server, _) = place.rsplit_once('/').unwrap();
    let (error, text) = refusal(&format!("{server}/no_such_database?{settings}")).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(text.contains("no_such_database") && text.contains("createdb"), "{text}");
    let (error, text) = refusal("postgres://me:secret@127.0.0.1:1/x?sslmode=disable").await;
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(text.contains("postgres://me@127.0.0.1:1/x") && text.contains("Check that its server runs"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let wrong = PostgresOptions::at("postgres://host:port/x").unwrap_err().to_string();
    assert!(wrong.contains("postgres://user:password@host:5432/database"), "{wrong}");
}

#[tokio::test]
async fn a_database_that_answers_too_early_is_refused() {
    let database = migrated().await;
    let name = database.address.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    execute(&database.address, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await.unwrap();
    let (error, text) = refusal(&database.address).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(text.contains("synchronous_commit"), "{text}");
}

/// A cluster that the test may stop.
fn own_cluster() -> Cluster {
    Cluster::start(&ClusterOptions { is_flushed: true, settings: Vec::new() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_waited_for() {
    let cluster = std::sync::Arc::new(own_cluster());
    let options = PostgresOptions::at(&cluster.address("postgres")).unwrap();
    migrate(&options).await.unwrap();
    let store = PostgresStore::open(options).await.unwrap();
    let lease = created(&store, "r1").await;
    for (sequence, how) in [(2, Stop::Fast), (3, Stop::Immediate)] {
        cluster.stop(how).unwrap();
        assert!(!store.is_reachable(Duration::from_secs(1)).await);
        let writing = tokio::spawn({
            let (store, lease) = (store.clone(), lease.clone());
            async move {
                store
                    .commit(vec![transition(&lease, sequence, vec![Write::RecordStep(step(&root(), "fit", sequence as u32))])])
                    .await
            }
        });
        let reading = tokio::spawn({
            let (store, run) = (store.clone(), lease.run.clone());
            async move { store.run(&run).await }
        });
        let again = cluster.clone();
        tokio::task::spawn_blocking(move || again.go()).await.unwrap().unwrap();
        assert_eq!(writing.await.unwrap().unwrap(), vec![Committed::Stored { refused: vec![] }]);
        assert!(reading.await.unwrap().unwrap().sequence >= sequence - 1);
    }
    assert_eq!(store.steps(&lease.run, false, None, 10).await.unwrap().len(), 2);
    assert!(store.is_reachable(Duration::from_secs(1)).await);
}

#[tokio::test]
async fn patience_ends() {
    let cluster = own_cluster();
    let mut options = PostgresOptions::at(&cluster.address("postgres")).unwrap();
    options.patience = Duration::from_millis(100);
    migrate(&options).await.unwrap();
    let store = PostgresStore::open(options).await.unwrap();
    let lease = created(&store, "r1").await;
    cluster.stop(Stop::Immediate).unwrap();
    let error = store.commit(vec![transition(&lease, 2, vec![])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Retry);
    cluster.go().unwrap();
    stored(&store, transition(&lease, 2, vec![])).await;
}

/// A table that somebody else has locked is waited for, and the wait has an end.
#[tokio::test]
async fn another_programs_lock_is_named() {
    let database = migrated().await;
    let mut options = PostgresOptions::at(&database.address).unwrap();
    (options.lock_wait, options.patience) = (Duration::from_millis(50), Duration::from_millis(50));
    let store = PostgresStore::open(options).await.unwrap();
    let lease = created(&store, "r1").await;
    use sqlx::{Connection, Executor};
    let mut other = sqlx::PgConnection::connect(&database.address).await.unwrap();
    other.execute("BEGIN; LOCK TABLE workflow_executions IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = store.commit(vec![transition(&lease, 2, vec![])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    other.execute("ROLLBACK").await.unwrap();
    stored(&store, transition(&lease, 2, vec![])).await;
}

/// A process that was stopped and comes back writes nothing with its old epoch.
#[tokio::test]
async fn an_old_epoch_writes_nothing() {
    let (database, old) = fresh().await;
    let lease = created(&old, "r1").await;
    let over = "UPDATE workflow_executions SET lease_until = lease_since";
    execute(&database.address, over).await.unwrap();
    let new = PostgresStore::open(PostgresOptions::at(&database.address).unwrap()).await.unwrap();
    let Claim::Granted(taken) = new.claim(&lease.run, &process(2), None).await.unwrap() else { panic!("it is free") };
    let writes = || vec![Write::RecordStep(step(&root(), "fit", 1))];
    let both = tokio::join!(old.commit(vec![transition(&lease, 2, writes())]), new.commit(vec![transition(&taken, 2, writes())]));
    let over = Conflict::TakenOver { run: lease.run.clone(), epoch: taken.epoch };
    assert_eq!(both.0.unwrap(), vec![Committed::Conflict(over)]);
    assert_eq!(both.1.unwrap(), vec![Committed::Stored { refused: vec![] }]);
    assert_eq!(new.steps(&lease.run, false, None, 10).await.unwrap().len(), 1);
}
