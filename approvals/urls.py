"""Addresses of signing in and out, and of people, their keys and their sessions."""

from __future__ import annotations

from django.urls import path

from approvals import enrolment_views, people_views, views

app_name = "approvals"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-in/options/", views.sign_in_options, name="sign_in_options"),
    path("sign-in/verify/", views.sign_in_verify, name="sign_in_verify"),
    path("sign-in/demo-key/<slug:person>/", views.demo_key, name="demo_key"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("enrol/<str:token>/", views.enrol, name="enrol"),
    path("enrol/<str:token>/options/", views.enrol_options, name="enrol_options"),
    path("enrol/<str:token>/verify/", views.enrol_verify, name="enrol_verify"),
    path("step-up/", people_views.step_up, name="step_up"),
    path("step-up/options/", people_views.step_up_options, name="step_up_options"),
    path("step-up/verify/", people_views.step_up_verify, name="step_up_verify"),
    path("sessions/", people_views.sessions, name="sessions"),
    path("sessions/<int:session_id>/end/", people_views.session_end, name="session_end"),
    path("people/", people_views.access, name="access"),
    path("people/enrolments/", enrolment_views.enrolments, name="enrolments"),
    path("people/enrolments/new/", enrolment_views.enrolment_new, name="enrolment_new"),
    path("people/enrolments/<slug:digest>/", enrolment_views.enrolment, name="enrolment"),
    path("people/enrolments/<slug:digest>/file/", enrolment_views.enrolment_download, name="enrolment_file"),
    path("people/enrolments/<slug:digest>/end/", enrolment_views.enrolment_stop, name="enrolment_end"),
    path("people/keys/<int:key_id>/lock/", people_views.key_lock, name="key_lock"),
    path("people/keys/<int:key_id>/confirm/", people_views.key_confirm, name="key_confirm"),
    path("people/of/<str:person_id>/", people_views.person, name="person"),
    path("people/of/<str:person_id>/link/", people_views.person_link, name="person_link"),
    path("people/of/<str:person_id>/lock/", people_views.person_lock, name="person_lock"),
    path("people/of/<str:person_id>/sessions/end/", people_views.sessions_end_all, name="sessions_end"),
    path(
        "api/enrolments/<slug:digest>/consents/",
        enrolment_views.EnrolmentConsentView.as_view(),
        name="enrolment_consent",
    ),
]
