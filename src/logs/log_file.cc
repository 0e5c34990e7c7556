#include "logs/log_file.h"

#include "base/bytes.h"
#include "logs/log_buffer.h"
#include "logs/log_writer.h"

namespace keepgate::logs {

namespace {

// Writes out what is left when the process ends by returning from main().
struct AtExit {
  ~AtExit() {
    LogWriter& writer = LogWriter::instance();
    const std::lock_guard lock(writer.lifecycle);
    writer.pass();
    writer.stop();
  }
} at_exit;

}  // namespace

LogFile::LogFile(std::shared_ptr<LogBuffer> buffer) : buffer_(std::move(buffer)) {}

std::shared_ptr<LogFile> LogFile::open(const std::string& path, std::string& error) {
  LogWriter& writer = LogWriter::instance();
  const std::lock_guard lock(writer.lifecycle);
  std::weak_ptr<LogFile>& known = writer.by_path[path];
  if (std::shared_ptr<LogFile> file = known.lock()) return file;
  LogOutput output = LogOutput::open(path, error);
  if (!output.valid()) {
    writer.by_path.erase(path);
    return nullptr;
  }
  auto buffer = std::make_shared<LogBuffer>(path, std::move(output));
  if (!writer.add(buffer)) {
    error = cat(path, ": the system refuses a thread that writes logs");
    writer.by_path.erase(path);
    return nullptr;
  }
  std::shared_ptr<LogFile> file(new LogFile(std::move(buffer)));
  known = file;
  return file;
}

LogFile::~LogFile() {
  flush();
  LogWriter& writer = LogWriter::instance();
  const std::lock_guard lock(writer.lifecycle);
  const auto entry = writer.by_path.find(path());
  if (entry != writer.by_path.end() && entry->second.expired()) writer.by_path.erase(entry);
  writer.remove(buffer_);
}

void LogFile::write(std::string_view line_with_newline) {
  const LogBuffer::Appended appended = buffer_->append(line_with_newline);
  if (appended == LogBuffer::Appended::first) LogWriter::instance().poke(false);
  if (appended == LogBuffer::Appended::half_full) LogWriter::instance().poke(true);
}

void LogFile::flush() {
  if (buffer_->has_unsaved()) LogWriter::instance().pass();
}

const std::string& LogFile::path() const { return buffer_->path(); }
std::uint64_t LogFile::dropped_count() const { return buffer_->dropped_count(); }
void LogFile::reopen_all() { LogWriter::instance().pass(true); }
void LogFile::flush_all() { LogWriter::instance().pass(); }

}  // namespace keepgate::logs
