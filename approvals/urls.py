"""Addresses of signing in and out."""

from __future__ import annotations

from django.urls import path

from approvals import views

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
]
