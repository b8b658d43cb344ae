//! Dashboards, whose inside is the business of whoever makes one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Id, Rest};
use crate::{Client, Error};

/// `DashboardInfo`: a dashboard in a list.
#[derive(Clone, Debug, Deserialize)]
pub struct DashboardInfo {
    /// Its id.
    pub id: Id,
    /// Its title.
    pub title: String,
}

/// `Dashboard`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dashboard {
    /// None for one that is to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Its title.
    pub title: String,
    /// What it shows.
    pub configuration: Value,
    /// What is not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Client {
    /// All dashboards (`DashboardController.getTenantDashboards`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn dashboards(&self) -> Result<Vec<DashboardInfo>, Error> {
        self.all("/api/tenant/dashboards")
    }

    /// One, whole (`DashboardController.getDashboardById`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn dashboard(&self, id: &str) -> Result<Dashboard, Error> {
        self.get(&format!("/api/dashboard/{id}"))
    }

    /// Makes or changes a dashboard (`DashboardController.saveDashboard`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn save_dashboard(&self, dashboard: &Dashboard) -> Result<Dashboard, Error> {
        self.post("/api/dashboard", dashboard)
    }

    /// Deletes a dashboard (`DashboardController.deleteDashboard`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn delete_dashboard(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/api/dashboard/{id}"))
    }
}
