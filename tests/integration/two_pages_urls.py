"""The pages that `test_servers` asks for."""

from django.urls import path, re_path

from gateway import views

urlpatterns = [path("healthz", views.healthz), re_path(r"^api/test/.*", views.api_test)]
