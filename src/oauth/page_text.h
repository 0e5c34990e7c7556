// Every sentence that a person reads on a page of ours, in one table. "{}" stands for a value, escaped by whoever puts
// it in. Thread rule: literals.
#pragma once

#include <string_view>

namespace keepgate::oauth::text {

inline constexpr std::string_view language = "en";

// Sign-in.
inline constexpr std::string_view sign_in_title = "Sign in";
inline constexpr std::string_view sign_in_for = "to continue to {}";
inline constexpr std::string_view user_name = "User name";
inline constexpr std::string_view password = "Password";
inline constexpr std::string_view sign_in_button = "Sign in";

// Second factor.
inline constexpr std::string_view factor_title = "Enter your code";
inline constexpr std::string_view factor_lead = "Open your authenticator app and enter the six digits it shows for {}.";
inline constexpr std::string_view factor_label = "Six-digit code";
inline constexpr std::string_view factor_button = "Continue";

// Consent.
inline constexpr std::string_view consent_page_title = "Give permission";
inline constexpr std::string_view scope_by_name = "Use this permission:";
inline constexpr std::string_view consent_title = "Give {} access?";
inline constexpr std::string_view consent_lead = "If you agree, it may:";
inline constexpr std::string_view consent_nothing = "Know that you signed in here";
inline constexpr std::string_view consent_audience = "This concerns {}.";
inline constexpr std::string_view consent_return = "You will be taken to {}.";
inline constexpr std::string_view allow_button = "Allow";
inline constexpr std::string_view refuse_button = "Do not allow";
inline constexpr std::string_view signed_in_as = "Signed in as {}";

// Devices.
inline constexpr std::string_view device_title = "Connect a device";
inline constexpr std::string_view device_lead = "Enter the code that your device shows.";
inline constexpr std::string_view device_label = "Code";
inline constexpr std::string_view device_button = "Continue";
inline constexpr std::string_view device_confirm_title = "Is this your device?";
inline constexpr std::string_view device_confirm_lead = "A device that uses {} waits. If you agree, it may:";
inline constexpr std::string_view device_confirm_code = "It must show this code now:";
inline constexpr std::string_view device_warning =
    "Only go on if you have the device in front of you. If somebody sent you this code, do not allow it.";
inline constexpr std::string_view device_allowed_title = "Your device is connected";
inline constexpr std::string_view device_allowed_lead = "You can close this page and go on with your device.";
inline constexpr std::string_view device_refused_title = "The device was refused";
inline constexpr std::string_view device_refused_lead = "It was given nothing. You can close this page.";

// Signing out.
inline constexpr std::string_view sign_out_title = "Sign out?";
inline constexpr std::string_view sign_out_lead = "You are signed in as {}.";
inline constexpr std::string_view sign_out_asked = "{} asks to sign you out.";
inline constexpr std::string_view sign_out_button = "Sign out";
inline constexpr std::string_view stay_button = "Stay signed in";
inline constexpr std::string_view signed_out_title = "You are signed out";
inline constexpr std::string_view signed_out_lead =
    "Applications that you used may keep you signed in until you sign out there, too.";
inline constexpr std::string_view stayed_title = "You are still signed in";
inline constexpr std::string_view stayed_lead = "Nothing has changed. You can close this page.";

// What went wrong, in a form that is shown again.
inline constexpr std::string_view wrong_password = "The user name or the password is not right.";
inline constexpr std::string_view wrong_factor = "This code is not right, or it was used before. Enter the next one.";
inline constexpr std::string_view wrong_device_code =
    "This code is not right, or its time is over. Look at your device again.";
inline constexpr std::string_view too_many_seconds = "Too many attempts. Please try again in a minute.";
inline constexpr std::string_view too_many_minutes = "Too many attempts. Please try again in {} minutes.";
inline constexpr std::string_view form_too_old = "This page was open for too long. Please try again.";
inline constexpr std::string_view busy = "Signing in is not possible right now. Please try again in a moment.";
inline constexpr std::string_view sign_in_again = "Please sign in again to go on.";

// Pages that end it.
inline constexpr std::string_view error_title = "This request cannot be continued";
inline constexpr std::string_view error_back = "Go back to the application that you came from and try again.";
inline constexpr std::string_view error_reference = "For the operator: {}";
inline constexpr std::string_view error_client = "The application that sent you here is not known.";
inline constexpr std::string_view error_redirect =
    "The application that sent you here named an address that it is not registered with, so you were not sent there.";
inline constexpr std::string_view error_request = "The application that sent you here made a mistake in its request.";
inline constexpr std::string_view error_expired = "This took too long, or it was finished in another window.";
inline constexpr std::string_view error_form =
    "What was sent does not belong to this browser. Your browser has to accept cookies for this page.";
inline constexpr std::string_view error_unavailable = "Something that is needed cannot be reached right now.";
inline constexpr std::string_view error_not_found = "There is no such page.";

// Scopes that everybody has (OpenID Connect Core §5.4, §11); others show their name, or what the operator says of them.
struct ScopeWords {
  std::string_view scope, words;
};
inline constexpr ScopeWords scopes[] = {
    {"openid", "Know who you are"},
    {"profile", "Read your profile: your name and the like"},
    {"email", "Read your e-mail address"},
    {"phone", "Read your telephone number"},
    {"address", "Read your postal address"},
    {"offline_access", "Keep this permission while you are away, until you take it back"},
};

}  // namespace keepgate::oauth::text
