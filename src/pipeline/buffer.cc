#include "pipeline/buffer.h"

#include <new>

namespace keepgate::pipeline {

BufferPool::~BufferPool() {
  for (char* data : heads_) ::operator delete(data);
  for (char* data : bodies_) ::operator delete(data);
}

std::vector<char*>* BufferPool::shelf_for(std::size_t bytes) {
  return bytes == head_bytes ? &heads_ : bytes == body_bytes ? &bodies_ : nullptr;
}

Buffer BufferPool::take(std::size_t bytes) {
  std::vector<char*>* shelf = shelf_for(bytes);
  if (!shelf || shelf->empty()) return {this, static_cast<char*>(::operator new(bytes)), bytes};
  char* data = shelf->back();
  shelf->pop_back();
  return {this, data, bytes};
}

void BufferPool::give_back(char* data, std::size_t bytes) {
  std::vector<char*>* shelf = shelf_for(bytes);
  if (!shelf || shelf->size() >= kept_max) {
    ::operator delete(data);
    return;
  }
  shelf->push_back(data);
}

}  // namespace keepgate::pipeline
