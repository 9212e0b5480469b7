"""Addresses of the pages, and of what their scripts call."""

from __future__ import annotations

from django.urls import path

from oms import (
    alarm_pages,
    api,
    call_pages,
    cancel_pages,
    consent_pages,
    hand_pages,
    home_pages,
    list_pages,
    log_pages,
    node_pages,
    notice_pages,
    policy_views,
    price_pages,
    views,
)

app_name = "oms"
urlpatterns = [
    path("", home_pages.home, name="home"),
    path("requests/", list_pages.request_list, name="requests"),
    path("requests/csv/", list_pages.request_csv, name="request_csv"),
    path("requests/new/", views.request_new, name="request_new"),
    path("requests/call/", call_pages.call_new, name="call_new"),
    path("requests/<slug:reference>/", views.request_detail, name="request"),
    path("requests/<slug:reference>/cancel/", cancel_pages.cancel, name="cancel"),
    path("requests/<slug:reference>/log/", log_pages.case_log_page, name="case_log"),
    path("receipts/", log_pages.receipts, name="receipts"),
    path("receipts/<int:seq>/", log_pages.receipt, name="receipt"),
    path("hand-in/", hand_pages.hand_in, name="hand_in"),
    path("alarms/", alarm_pages.alarms, name="alarms"),
    path("alarms/<int:alarm_id>/seen/", alarm_pages.alarm_seen, name="alarm_seen"),
    path("log/", log_pages.log, name="log"),
    path("log/csv/", log_pages.log_csv, name="log_csv"),
    path("log/evidence/", log_pages.evidence, name="log_evidence"),
    path("nodes/", node_pages.nodes, name="nodes"),
    path("nodes/rows/", node_pages.nodes_status, name="nodes_status"),
    path("nodes/new/", node_pages.node_change, name="node_new"),
    path("nodes/changes/<int:change_id>/", node_pages.node_change_decide, name="node_change_decide"),
    path("nodes/of/<slug:label>/", node_pages.node_change, name="node_change"),
    path("prices/", price_pages.prices, name="prices"),
    path("prices/enter/<int:feed_id>/", price_pages.price_enter_page, name="price_enter"),
    path("intents/<slug:digest>/", views.request_by_intent, name="request_by_intent"),
    path("notices/", notice_pages.notices, name="notices"),
    path("queue/", list_pages.queue, name="queue"),
    path("queue/rows/", list_pages.queue_status, name="queue_status"),
    path("queue/csv/", list_pages.queue_csv, name="queue_csv"),
    path("queue/reject/", list_pages.reject, name="reject"),
    path("queue/<slug:reference>/", views.case, name="case"),
    path("queue/<slug:reference>/attestations/", consent_pages.case_attestations, name="case_attestations"),
    path("policies/<slug:digest>/", policy_views.policy, name="policy"),
    path("api/policies/<slug:digest>/consents/", policy_views.PolicyConsentView.as_view(), name="policy_consent"),
    path("api/requests/", api.AskView.as_view(), name="request_ask"),
    path("api/requests/<slug:reference>/consents/", api.ConsentView.as_view(), name="request_consent"),
    path(
        "api/requests/<slug:reference>/cancel/consents/",
        cancel_pages.CancelConsentView.as_view(),
        name="cancel_consent",
    ),
    path("api/requests/<slug:reference>/status/", api.StatusView.as_view(), name="request_status"),
    path("api/requests/<slug:reference>/decision/", api.DecisionView.as_view(), name="request_decision"),
]
