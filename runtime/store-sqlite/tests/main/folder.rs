//! Where the file goes.

use pmflow_store::StoreError;
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};

#[tokio::test]
async fn the_folder_is_made_and_kept_out_of_version_control() {
    let project = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::in_project(project.path())).await.unwrap();
    let folder = project.path().join(".pmflow");
    assert_eq!(std::fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
    assert!(folder.join("pmflow.sqlite").exists());
    store.close().await;
    std::fs::write(folder.join(".gitignore"), "pmflow.sqlite\n").unwrap();
    SqliteStore::open(SqliteOptions::in_project(project.path())).await.unwrap().close().await;
    assert_eq!(
        std::fs::read_to_string(folder.join(".gitignore")).unwrap(),
        "pmflow.sqlite\n",
        "an author's own file is left alone"
    );
}

#[tokio::test]
async fn missing_folders_above_the_file_are_made() {
    let project = tempfile::tempdir().unwrap();
    let path = project.path().join("a/b/c.sqlite");
    SqliteStore::open(SqliteOptions::at(&path)).await.unwrap().close().await;
    assert!(path.exists());
    assert!(!project.path().join("a/b/.gitignore").exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("file"), "").unwrap();
    let error = SqliteStore::open(SqliteOptions::at(project.path().join("file/pmflow.sqlite"))).await.unwrap_err();
    assert!(matches!(&error, StoreError::Folder { place, .. } if place.ends_with("/file")), "{error:?}");
}

#[tokio::test]
async fn two_processes_may_open_a_new_file_at_once() {
    let project = tempfile::tempdir().unwrap();
    let opening = (0..8).map(|_| tokio::spawn(SqliteStore::open(SqliteOptions::in_project(project.path()))));
    for store in opening.collect::<Vec<_>>() {
        store.await.unwrap().unwrap();
    }
}
